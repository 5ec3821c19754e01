namespace OllamaBridge.Gateway.Discovery;

internal interface IInstanceSource
{
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The configuration is wrong.</exception>
    Task<IReadOnlyList<InstanceDefinition>> ListAsync(CancellationToken cancellationToken);

    /// <summary>Whether it discovers servers that may not exist yet.</summary>
    bool IsSearching => false;

    /// <summary>Reasons why the list may be out of date, as text for operators; empty if it is current.</summary>
    IReadOnlyList<string> Problems => [];

    /// <summary>Calls back with the whole list whenever it changes, until the source is disposed.</summary>
    void Watch(Action<IReadOnlyList<InstanceDefinition>> changed);
}
