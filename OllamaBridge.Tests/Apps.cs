using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;

namespace OllamaBridge.Tests;

internal static class Apps
{
    /// <summary>Limits the application's own logs to warnings in the tests' output.</summary>
    public const string Quiet = "--Logging:LogLevel:Default=Warning";

    /// <summary>This repository's application, with settings as on its command line.</summary>
    public static Task<IDistributedApplicationTestingBuilder> OwnAsync(params string[] arguments) =>
        DistributedApplicationTestingBuilder.CreateAsync<Projects.OllamaBridge_AppHost>([.. arguments, Quiet], TestContext.Current.CancellationToken);

    /// <summary>An external application that uses the integration.</summary>
    public static (IDistributedApplicationBuilder Builder, IResourceBuilder<IOllamaBridgeResource> Bridge) With(FakeHost host)
    {
        var builder = Empty();
        return (builder, builder.AddOllamaBridge("bridge", port: null, adminPort: null, host));
    }

    public static IDistributedApplicationBuilder Empty() => DistributedApplication.CreateBuilder(new DistributedApplicationOptions
    {
        // The assembly with the path of the orchestrator: a test project is not an application host.
        AssemblyName = typeof(OllamaBridge.AppHost.FleetSettings).Assembly.GetName().Name,
        DisableDashboard = true,
    });
}
