namespace OllamaBridge.StateServer;

/// <summary>What a state server is told.</summary>
/// <param name="Port">Where it listens on 127.0.0.1; 1 to 65535.</param>
/// <param name="Password">What clients must say first; null for none.</param>
/// <param name="Data">Folder that keeps the data; null for memory only.</param>
internal sealed record StateServerOptions(int Port = StateServerOptions.DefaultPort, string? Password = null, string? Data = null)
{
    /// <summary>Redis's own port.</summary>
    public const int DefaultPort = 6379;

    /// <summary>Says everything but the password.</summary>
    public override string ToString() => $"127.0.0.1:{Port}, {(Data is null ? "in memory only" : $"data in {Data}")}";
}
