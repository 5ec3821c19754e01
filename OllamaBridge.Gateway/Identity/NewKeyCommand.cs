namespace OllamaBridge.Gateway.Identity;

/// <summary><c>new-key</c>: makes a key for the configuration, without a bridge.</summary>
internal static class NewKeyCommand
{
    /// <summary>The command's name.</summary>
    public const string Name = "new-key";

    /// <summary>Prints the key for whoever is to have it, and what to configure.</summary>
    public static void Run(TextWriter output)
    {
        var (key, verifier) = ApiKey.Create();
        output.WriteLine($"Key, shown only now: {key}");
        output.WriteLine($"Bridge:Tenants:NAME:Keys:0: {verifier}");
    }
}
