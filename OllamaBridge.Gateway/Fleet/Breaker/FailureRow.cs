namespace OllamaBridge.Gateway.Fleet.Breaker;

/// <summary>An instance's failed requests in a row, by model: one sick model alone must not take a whole instance out.</summary>
internal sealed class FailureRow
{
    private readonly Lock _lock = new();
    private readonly Dictionary<ModelState, int> _models = [];
    private int _others;
    private volatile bool _any;

    /// <summary>Counts a failed request.</summary>
    /// <param name="model">Of which model; null for none, or where that makes no difference.</param>
    /// <param name="most">The most that one model counts.</param>
    /// <returns>How long the row is.</returns>
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

    /// <summary>A request was answered: the row ends.</summary>
    /// <returns>True where there was one.</returns>
    public bool Clear()
    {
        // Every answered request asks.
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
