namespace OllamaBridge.Simulator;

/// <summary>A file on its way.</summary>
internal sealed class Download(ModelLayer layer, long bytesPerSecond, TimeProvider time, long started)
{
    public ModelLayer Layer { get; } = layer;

    /// <summary>Pulls that wait for it. Guarded by <see cref="Downloads"/>.</summary>
    public int Users { get; set; }

    /// <summary>Whether this download put the file in place; null while it runs.</summary>
    public bool? Won { get; set; }

    /// <summary>Bytes that have come so far.</summary>
    public long Completed => bytesPerSecond <= 0
        ? Layer.Size
        : (long)Math.Min(Layer.Size, time.GetElapsedTime(started).TotalSeconds * bytesPerSecond);
}
