using System.Collections.Concurrent;

namespace OllamaBridge.Simulator;

/// <summary>The files of a model folder by digest: sizes, and the bytes of small files.</summary>
internal sealed class BlobStore
{
    /// <summary>The maximum size in bytes of an uploaded file whose content is kept.</summary>
    public const int KeptBytes = 64 * 1024;

    private readonly ConcurrentDictionary<string, Blob> _blobs = new(StringComparer.OrdinalIgnoreCase);

    public bool Contains(string digest) => _blobs.ContainsKey(digest);

    public Blob? Find(string digest) => _blobs.GetValueOrDefault(digest);

    public bool Add(string digest, long size, byte[]? head = null) => _blobs.TryAdd(digest, new Blob(size, head ?? "GGUF"u8.ToArray()));

    public void Remove(string digest) => _blobs.TryRemove(digest, out _);

    /// <summary>One file.</summary>
    /// <param name="Size">In bytes.</param>
    /// <param name="Head">The first bytes; all bytes of a small file.</param>
    internal sealed record Blob(long Size, byte[] Head)
    {
        public bool IsGguf => Head.AsSpan().StartsWith("GGUF"u8);
    }
}
