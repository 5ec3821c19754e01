namespace OllamaBridge.Gateway.Fleet;

/// <summary>Where instances come from.</summary>
internal interface IInstanceSource
{
    /// <summary>The instances as they are now.</summary>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The configuration is wrong.</exception>
    Task<IReadOnlyList<InstanceDefinition>> ListAsync(CancellationToken cancellationToken);

    /// <summary>Whether servers are looked for that may not be there yet.</summary>
    bool IsSearching => false;

    /// <summary>Why the list may be out of date, in words; none where it is not.</summary>
    IReadOnlyList<string> Problems => [];

    /// <summary>Calls back with the whole list whenever it changes, until the source is disposed.</summary>
    void Watch(Action<IReadOnlyList<InstanceDefinition>> changed);
}
