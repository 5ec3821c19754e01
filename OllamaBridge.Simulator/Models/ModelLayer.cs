namespace OllamaBridge.Simulator;

/// <summary>One file of a model.</summary>
/// <param name="Digest">SHA-256 in hexadecimal, without "sha256:".</param>
/// <param name="Size">Bytes.</param>
internal sealed record ModelLayer(string Digest, long Size)
{
    /// <summary>The first twelve digits, as progress lines show them.</summary>
    public string Brief => Digest[..12];
}
