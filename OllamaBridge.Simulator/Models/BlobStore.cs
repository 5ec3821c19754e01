using System.Collections.Concurrent;

namespace OllamaBridge.Simulator;

/// <summary>The files of a model folder by digest: their sizes, and the bytes of small ones only.</summary>
internal sealed class BlobStore
{
    /// <summary>Bytes up to which an uploaded file is kept.</summary>
    public const int KeptBytes = 64 * 1024;

    private readonly ConcurrentDictionary<string, Blob> _blobs = new(StringComparer.OrdinalIgnoreCase);

    public bool Contains(string digest) => _blobs.ContainsKey(digest);

    public Blob? Find(string digest) => _blobs.GetValueOrDefault(digest);

    public bool Add(string digest, long size, byte[]? head = null) => _blobs.TryAdd(digest, new Blob(size, head ?? "GGUF"u8.ToArray()));

    public void Remove(string digest) => _blobs.TryRemove(digest, out _);

    /// <summary>One file.</summary>
    /// <param name="Size">Bytes.</param>
    /// <param name="Head">Its first bytes, or all where small.</param>
    internal sealed record Blob(long Size, byte[] Head)
    {
        public bool IsGguf => Head.AsSpan().StartsWith("GGUF"u8);
    }
}
