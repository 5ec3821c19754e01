namespace OllamaBridge.StateServer;

/// <summary>The options of the state server.</summary>
/// <param name="Port">Port on 127.0.0.1, from 1 to 65535.</param>
/// <param name="Password">Password of clients; null for none.</param>
/// <param name="Data">Data folder; null to keep the data in memory only.</param>
internal sealed record StateServerOptions(int Port = StateServerOptions.DefaultPort, string? Password = null, string? Data = null)
{
    /// <summary>The default port of Redis.</summary>
    public const int DefaultPort = 6379;

    /// <summary>Omits the password.</summary>
    public override string ToString() => $"127.0.0.1:{Port}, {(Data is null ? "in memory only" : $"data in {Data}")}";
}
