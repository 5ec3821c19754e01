namespace OllamaBridge.Simulator;

/// <summary>
/// The downloads of one server. Pulls of the same file on one server share a download. Servers that share a folder do not coordinate:
/// only the first to finish keeps the file, and the others fail (recordings 14-pull-concurrent-*).
/// </summary>
internal sealed class Downloads(ModelStore store, TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Download> _running = [];

    /// <summary>Joins the download of a file, or starts one; null if the file exists.</summary>
    public Download? Join(ModelLayer layer, long bytesPerSecond)
    {
        lock (_gate)
        {
            // Checked under the lock: a download of this server that ended meanwhile must not be treated as another server's.
            if (store.Blobs.Contains(layer.Digest))
                return null;
            if (!_running.TryGetValue(layer.Digest, out var download))
                _running[layer.Digest] = download = new Download(layer, bytesPerSecond, time, time.GetTimestamp());
            download.Users++;
            return download;
        }
    }

    /// <summary>Leaves a download; the last pull to leave ends it.</summary>
    public void Leave(Download download)
    {
        lock (_gate)
        {
            if (--download.Users == 0)
                _running.Remove(download.Layer.Digest);
        }
    }

    /// <summary>Stores a complete file; false if another server was faster.</summary>
    public bool Finish(Download download)
    {
        lock (_gate)
            return download.Won ??= store.Blobs.Add(download.Layer.Digest, download.Layer.Size);
    }
}
