namespace OllamaBridge.Simulator;

/// <summary>A download in progress.</summary>
internal sealed class Download(ModelLayer layer, long bytesPerSecond, TimeProvider time, long started)
{
    public ModelLayer Layer { get; } = layer;

    /// <summary>The number of pulls that wait for it. Guarded by <see cref="Downloads"/>.</summary>
    public int Users { get; set; }

    /// <summary>Whether this download stored the file; null while it runs.</summary>
    public bool? Won { get; set; }

    /// <summary>The bytes received so far.</summary>
    public long Completed => bytesPerSecond <= 0
        ? Layer.Size
        : (long)Math.Min(Layer.Size, time.GetElapsedTime(started).TotalSeconds * bytesPerSecond);
}
