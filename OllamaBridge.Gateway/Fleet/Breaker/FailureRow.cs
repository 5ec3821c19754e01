namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>Counts an instance's failed requests in a row by model, so that one broken model alone does not eject the instance. Thread-safe.</summary>
internal sealed class FailureRow
{
    private readonly Lock _lock = new();
    private readonly Dictionary<ModelState, int> _models = [];
    private int _others;
    private volatile bool _any;

    /// <summary>Returns the failures in a row, at most <paramref name="most"/> for each model; <paramref name="model"/> is null for a request without one.</summary>
    public int Add(ModelState? model, int most)
    {
        lock (_lock)
        {
            _any = true;
            if (model is null)
                _others++;
            else
                _models[model] = Math.Min(_models.GetValueOrDefault(model) + 1, most);
            return _others + _models.Values.Sum();
        }
    }

    /// <returns>Whether there was a row.</returns>
    public bool Clear()
    {
        // Avoids the lock on the common path: every response calls this method.
        if (!_any)
            return false;
        lock (_lock)
        {
            var any = _any;
            _any = false;
            _others = 0;
            _models.Clear();
            return any;
        }
    }
}
