namespace OllamaBridge.Gateway.Fleet;

/// <summary>Where instances come from.</summary>
internal interface IInstanceSource
{
    /// <summary>The instances as they are now.</summary>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The configuration is wrong.</exception>
    Task<IReadOnlyList<InstanceDefinition>> ListAsync(CancellationToken cancellationToken);

    /// <summary>Calls back with the whole list whenever it changes, until the source is disposed.</summary>
    void Watch(Action<IReadOnlyList<InstanceDefinition>> changed);
}
