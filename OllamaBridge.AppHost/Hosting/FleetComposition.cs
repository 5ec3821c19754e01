using System.Globalization;

namespace OllamaBridge.Hosting;

/// <summary>Puts instances and downloads into the application's model and ties them: whichever comes first.</summary>
internal static class FleetComposition
{
    /// <summary>Adds a tier's instances; one resource for all of them when something is published.</summary>
    public static void AddTierInstances(this IResourceBuilder<OllamaBridgeResource> bridge, InstanceTier tier, int count)
    {
        var kind = bridge.ChooseBackend();
        if (kind == FleetBackend.External)
            return;
        var backend = InstanceBackends.Get(kind);
        var publish = bridge.ApplicationBuilder.ExecutionContext.IsPublishMode;
        tier.Count += count;
        var there = bridge.Resource.Instances.Count(i => i.Tier == tier);
        for (var i = there; i < (publish ? 1 : there + count); i++)
        {
            var name = publish ? tier.Name : string.Create(CultureInfo.InvariantCulture, $"{tier.Name}-{i + 1}");
            bridge.Tie(backend.Add(bridge, tier, name, bridge.Resource.Instances.Count));
        }

        if (backend.PullsModels && bridge.Resource.Downloads.Count == 0)
            foreach (var model in bridge.Resource.Models)
                bridge.AddDownload(model);
    }

    /// <summary>Adds a server that runs already.</summary>
    public static void AddExternalInstance(this IResourceBuilder<OllamaBridgeResource> bridge, Uri url)
    {
        var tier = bridge.Resource.DefaultTier;
        var name = string.Create(CultureInfo.InvariantCulture, $"{tier.Name}-{bridge.Resource.Instances.Count + 1}");
        var server = bridge.ApplicationBuilder.AddExternalService(name, url).WithHttpHealthCheck("/");
        bridge.WithReferenceRelationship(server.Resource);
        var instance = new BridgeInstance(name, tier, server, Endpoint: null, url.ToString().TrimEnd('/'));
        bridge.Resource.Instances.Add(instance);
        if (bridge.ApplicationBuilder.ExecutionContext.IsRunMode)
            bridge.WithInstanceCommands(instance);
    }

    /// <summary>Lets the first instance pull a model, and the others wait for it.</summary>
    public static void AddDownload(this IResourceBuilder<OllamaBridgeResource> bridge, string model)
    {
        var resource = bridge.Resource;
        if (resource.Instances.FirstOrDefault()?.Resource is not IResourceBuilder<IOllamaResource> owner)
            return;
        var name = Names.ForModel("model", model, taken => bridge.ApplicationBuilder.Resources.Any(r => r.Name == taken));
        var download = owner.AddModel(name, model);
        resource.Downloads.Add(download);
        foreach (var instance in resource.Instances.Skip(1))
            WaitForModel(instance, download);
    }

    private static void Tie(this IResourceBuilder<OllamaBridgeResource> bridge, BridgeInstance instance)
    {
        var resource = bridge.Resource;
        resource.Instances.Add(instance);
        if (instance.Endpoint is { } endpoint)
            bridge.WithReference(endpoint);
        if (bridge.ApplicationBuilder.ExecutionContext.IsPublishMode)
            return;
        bridge.WithInstanceCommands(instance);
        if (resource.Instances.Count == 1)
        {
            // The bridge is of use as soon as one instance is; it finds out by itself when the others come.
            if (instance.Resource is IResourceBuilder<IResourceWithWaitSupport> first)
                bridge.WaitFor(first);
        }
        else
        {
            foreach (var download in resource.Downloads)
                WaitForModel(instance, download);
        }

        if (instance.Tier.Settings.ExplicitStart)
            instance.Resource.WithExplicitStart();
    }

    private static void WaitForModel(BridgeInstance instance, IResourceBuilder<OllamaModelResource> download)
    {
        if (instance.Resource is IResourceBuilder<IResourceWithWaitSupport> waiting)
            waiting.WaitFor(download);
    }
}
