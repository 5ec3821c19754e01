namespace OllamaBridge.Gateway.FunctionalTests.State;

/// <summary>The base of the store contracts: a server, and one store for each of several gateways.</summary>
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

    /// <summary>Starts the server that holds the stores' data.</summary>
    protected abstract Task StartAsync();

    protected abstract Task OpenStoresAsync();

    /// <summary>Registers an object for disposal at the end of the test, in reverse order.</summary>
    private protected T Own<T>(T owned)
        where T : IAsyncDisposable
    {
        _owned.Add(owned);
        return owned;
    }
}
