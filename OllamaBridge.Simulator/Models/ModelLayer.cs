namespace OllamaBridge.Simulator;

/// <summary>One file of a model.</summary>
/// <param name="Digest">SHA-256 in hexadecimal, without "sha256:".</param>
/// <param name="Size">In bytes.</param>
internal sealed record ModelLayer(string Digest, long Size)
{
    /// <summary>The first twelve digits, as in progress lines.</summary>
    public string Brief => Digest[..12];
}
