namespace OllamaBridge.Simulator;

/// <summary>A model folder. Several servers may share one, as several Ollama servers may share one directory. Thread-safe.</summary>
public sealed class ModelStore
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, StoredModel> _models = new(StringComparer.OrdinalIgnoreCase);
    private readonly TimeProvider _time;
    private int _writers, _maxWriters;

    /// <summary>Creates a folder with these models.</summary>
    /// <exception cref="ArgumentException">A name is not a model name.</exception>
    public ModelStore(IEnumerable<SimulatedModel> models, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(models);
        _time = timeProvider ?? TimeProvider.System;
        foreach (var model in models)
            Add(model);
    }

    /// <summary>The models, newest first.</summary>
    public IReadOnlyList<SimulatedModel> Models => [.. List().Select(m => m.Model)];

    /// <summary>Requests that currently write to the folder: pull, create, copy, delete.</summary>
    public int ConcurrentWriters => Volatile.Read(ref _writers);

    /// <summary>The highest number of concurrent writers; a fleet that shares a folder should never have 2.</summary>
    public int MaxConcurrentWriters => Volatile.Read(ref _maxWriters);

    /// <summary>Uploaded and downloaded files.</summary>
    internal BlobStore Blobs { get; } = new();

    /// <summary>Adds a model, or replaces the one of the same name.</summary>
    /// <exception cref="ArgumentException">Its name is not a model name.</exception>
    public void Add(SimulatedModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (!ModelName.TryParse(model.Name, out var name))
            throw new ArgumentException($"'{model.Name}' is not a model name.", nameof(model));
        Put(StoredModel.Create(name, model with { Name = name.Short }, model.ModifiedAt ?? _time.GetUtcNow()));
    }

    /// <summary>Removes a model and the files that no other model uses; false if there is none.</summary>
    public bool Remove(string name)
    {
        lock (_gate)
        {
            if (!_models.Remove(ModelName.Normalize(name), out var removed))
                return false;
            var used = _models.Values.SelectMany(m => m.Layers).Select(l => l.Digest).ToHashSet();
            foreach (var layer in removed.Layers.Where(l => !used.Contains(l.Digest)))
                Blobs.Remove(layer.Digest);
            return true;
        }
    }

    /// <summary>The model of this name (":latest" may be omitted); null for none.</summary>
    public SimulatedModel? Find(string name) => Get(ModelName.Normalize(name))?.Model;

    internal StoredModel? Get(string shortName)
    {
        lock (_gate)
            return _models.GetValueOrDefault(shortName);
    }

    internal void Put(StoredModel stored)
    {
        lock (_gate)
            _models[stored.ShortName] = stored;
        foreach (var layer in stored.Layers)
            Blobs.Add(layer.Digest, layer.Size);
    }

    internal IReadOnlyList<StoredModel> List()
    {
        lock (_gate)
            return [.. _models.Values.OrderByDescending(m => m.ModifiedAt.ToUnixTimeSeconds())];
    }

    /// <summary>Counts a writer until disposed.</summary>
    internal IDisposable Write()
    {
        lock (_gate)
            _maxWriters = Math.Max(_maxWriters, ++_writers);
        return new Writer(this);
    }

    private sealed class Writer(ModelStore store) : IDisposable
    {
        private int _done;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _done, 1) != 0)
                return;
            lock (store._gate)
                store._writers--;
        }
    }
}
