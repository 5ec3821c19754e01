using System.Globalization;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using OllamaBridge.Hosting;

namespace OllamaBridge.Tests;

/// <summary>Reads resources from an application model. A value that is known only at run time is returned as its expression.</summary>
internal static class ModelReader
{
    public static T Get<T>(this IDistributedApplicationBuilder builder, string name)
        where T : IResource => Assert.IsAssignableFrom<T>(Assert.Single(builder.Resources, r => r.Name == name));

    public static async Task<IReadOnlyDictionary<string, string>> EnvironmentAsync(this IDistributedApplicationBuilder builder, string name)
    {
        var resource = builder.Get<IResource>(name);
        var context = new EnvironmentCallbackContext(builder.ExecutionContext, resource);
        foreach (var callback in resource.Annotations.OfType<EnvironmentCallbackAnnotation>())
            await callback.Callback(context);
        return context.EnvironmentVariables.ToDictionary(v => v.Key, v => Text(v.Value));
    }

    public static async Task<IReadOnlyList<string>> ArgumentsAsync(this IDistributedApplicationBuilder builder, string name)
    {
        var resource = builder.Get<IResource>(name);
        var context = new CommandLineArgsCallbackContext([], resource, TestContext.Current.CancellationToken) { ExecutionContext = builder.ExecutionContext };
        foreach (var callback in resource.Annotations.OfType<CommandLineArgsCallbackAnnotation>())
            await callback.Callback(context);
        return [.. context.Args.Select(Text)];
    }

    public static async Task<IReadOnlyList<string>> RuntimeArgumentsAsync(this IDistributedApplicationBuilder builder, string name)
    {
        var context = new ContainerRuntimeArgsCallbackContext([]);
        foreach (var callback in builder.Get<IResource>(name).Annotations.OfType<ContainerRuntimeArgsCallbackAnnotation>())
            await callback.Callback(context);
        return [.. context.Args.Select(Text)];
    }

    /// <summary>The names of the resources that a resource waits for.</summary>
    public static IReadOnlyList<string> Waits(this IDistributedApplicationBuilder builder, string name) =>
        [.. builder.Get<IResource>(name).Annotations.OfType<WaitAnnotation>().Select(w => w.Resource.Name).Distinct()];

    public static IReadOnlyList<string> Commands(this IDistributedApplicationBuilder builder, string name) =>
        [.. builder.Get<IResource>(name).Annotations.OfType<ResourceCommandAnnotation>().Select(c => c.DisplayName)];

    /// <summary>A resource's links as the dashboard shows them: text and address. Its endpoints get consecutive ports, from <paramref name="port"/>.</summary>
    public static async Task<IReadOnlyList<string>> LinksAsync(this IDistributedApplicationBuilder builder, string name, int port)
    {
        var resource = builder.Get<IResourceWithEndpoints>(name);
        foreach (var endpoint in resource.Annotations.OfType<EndpointAnnotation>())
            endpoint.AllocatedEndpoint = new AllocatedEndpoint(endpoint, "localhost", port++);
        var context = new ResourceUrlsCallbackContext(builder.ExecutionContext, resource, [], TestContext.Current.CancellationToken);
        foreach (var callback in resource.Annotations.OfType<ResourceUrlsCallbackAnnotation>())
            await callback.Callback(context);
        return [.. context.Urls.Select(u => $"{u.DisplayText} {u.Url}")];
    }

    /// <summary>The texts of a resource's links at one location of the dashboard.</summary>
    public static IReadOnlyList<string> Links(this IDistributedApplicationBuilder builder, string name, UrlDisplayLocation location)
    {
        var resource = builder.Get<IResourceWithEndpoints>(name);
        foreach (var endpoint in resource.Annotations.OfType<EndpointAnnotation>())
            endpoint.AllocatedEndpoint = new AllocatedEndpoint(endpoint, "localhost", 11400);
        var first = new ResourceUrlAnnotation { Url = "http://localhost:11400", Endpoint = new EndpointReference(resource, "http") };
        var context = new ResourceUrlsCallbackContext(builder.ExecutionContext, resource, [first], TestContext.Current.CancellationToken);
        foreach (var callback in resource.Annotations.OfType<ResourceUrlsCallbackAnnotation>())
            callback.Callback(context).GetAwaiter().GetResult();
        return [.. context.Urls.Where(u => u.DisplayLocation == location).Select(u => u.DisplayText!)];
    }

    public static IReadOnlyList<string> Volumes(this IDistributedApplicationBuilder builder, string name) =>
        [.. builder.Get<IResource>(name).Annotations.OfType<ContainerMountAnnotation>().Select(m => $"{m.Source}:{m.Target}")];

    public static string Image(this IDistributedApplicationBuilder builder, string name)
    {
        var image = builder.Get<IResource>(name).Annotations.OfType<ContainerImageAnnotation>().Last();
        return $"{image.Registry}/{image.Image}:{image.Tag}";
    }

    public static string Text(object value) => value switch
    {
        string text => text,
        IManifestExpressionProvider expression => expression.ValueExpression,
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };
}

/// <summary>The container runtime, GPUs and programs of a machine.</summary>
internal sealed record FakeHost(string? ContainerRuntime = null, int NvidiaGpus = 0, int AmdGpus = 0, params string[] Programs) : IHostProbe
{
    public bool HasProgram(string name) => Programs.Contains(name);
}
