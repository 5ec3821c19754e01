namespace OllamaBridge.Gateway.Tests.State;

/// <summary>What the contracts of all stores begin and end with: a server, and the store as several gateways have it.</summary>
public abstract class StateContract : IAsyncLifetime
{
    private readonly List<IAsyncDisposable> _owned = [];

    public async ValueTask InitializeAsync()
    {
        await StartAsync();
        await OpenStoresAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _owned.Reverse();
        foreach (var owned in _owned)
            await owned.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Starts what the stores keep their things in.</summary>
    protected abstract Task StartAsync();

    /// <summary>Opens the stores.</summary>
    protected abstract Task OpenStoresAsync();

    /// <summary>Has something disposed of at the end, in reverse order.</summary>
    private protected T Own<T>(T owned)
        where T : IAsyncDisposable
    {
        _owned.Add(owned);
        return owned;
    }
}
