namespace OllamaBridge.Gateway.Tenants;

/// <summary><c>new-key</c>: makes a key for the configuration, without starting the bridge.</summary>
internal static class NewKeyCommand
{
    public const string Name = "new-key";

    public static void Run(TextWriter output)
    {
        var (key, verifier) = ApiKey.Create();
        output.WriteLine($"Key, shown only now: {key}");
        output.WriteLine($"Bridge:Tenants:NAME:Keys:0: {verifier}");
    }
}
