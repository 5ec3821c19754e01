namespace OllamaBridge.Simulator.Text;

/// <summary>A running hash of text (FNV-1a): the same for the whole text and for its pieces, and on every server.</summary>
internal static class TextHash
{
    public const ulong Seed = 14_695_981_039_346_656_037;
    private const ulong Prime = 1_099_511_628_211;

    public static ulong Add(ulong hash, ReadOnlySpan<char> text)
    {
        foreach (var c in text)
            hash = (hash ^ c) * Prime;
        return hash;
    }

    public static ulong Add(ulong hash, long number) => (hash ^ (ulong)number) * Prime;

    /// <summary>A well-mixed number from a hash; <paramref name="stream"/> selects one of several.</summary>
    public static ulong Mix(ulong hash, ulong stream = 0)
    {
        var x = hash + ((stream + 1) * 0x9E37_79B9_7F4A_7C15);
        x = (x ^ (x >> 30)) * 0xBF58_476D_1CE4_E5B9;
        x = (x ^ (x >> 27)) * 0x94D0_49BB_1331_11EB;
        return x ^ (x >> 31);
    }
}
