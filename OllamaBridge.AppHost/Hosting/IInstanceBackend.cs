namespace OllamaBridge.Hosting;

/// <summary>Makes instances of one kind.</summary>
internal interface IInstanceBackend
{
    /// <summary>Whether models are pulled by one of these instances for all of them.</summary>
    bool PullsModels { get; }

    /// <summary>Adds one instance.</summary>
    /// <param name="bridge">The bridge that it is for.</param>
    /// <param name="tier">Its group.</param>
    /// <param name="name">Its name.</param>
    /// <param name="index">Which of the whole fleet it is, from 0: decides about its GPU.</param>
    BridgeInstance Add(IResourceBuilder<OllamaBridgeResource> bridge, InstanceTier tier, string name, int index);
}

/// <summary>The kinds.</summary>
internal static class InstanceBackends
{
    /// <summary>The backend of a kind.</summary>
    public static IInstanceBackend Get(FleetBackend kind) => kind switch
    {
        FleetBackend.Container => new ContainerInstances(),
        FleetBackend.Executable => new ExecutableInstances(),
        FleetBackend.Simulator => new SimulatedInstances(),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "This kind of instance is not made here."),
    };

    /// <summary>What every server that this application starts is told.</summary>
    public static void Configure(EnvironmentCallbackContext context, InstanceTier tier, KeyValuePair<string, string>? gpu)
    {
        foreach (var (key, value) in tier.Server.ToEnvironment())
            context.EnvironmentVariables[key] = value;
        if (gpu is { } device)
            context.EnvironmentVariables[device.Key] = device.Value;
    }
}
