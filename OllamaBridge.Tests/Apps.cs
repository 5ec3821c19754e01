using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;

namespace OllamaBridge.Tests;

/// <summary>Applications to look at.</summary>
internal static class Apps
{
    /// <summary>Keeps an application from telling the tests' output what it does.</summary>
    public const string Quiet = "--Logging:LogLevel:Default=Warning";

    /// <summary>This project's own application, with settings as on its command line.</summary>
    public static Task<IDistributedApplicationTestingBuilder> OwnAsync(params string[] arguments) =>
        DistributedApplicationTestingBuilder.CreateAsync<Projects.OllamaBridge_AppHost>([.. arguments, Quiet], TestContext.Current.CancellationToken);

    /// <summary>Somebody else's application that takes the integration as it is.</summary>
    public static (IDistributedApplicationBuilder Builder, IResourceBuilder<IOllamaBridgeResource> Bridge) With(FakeHost host)
    {
        var builder = Empty();
        return (builder, builder.AddOllamaBridge("bridge", port: null, adminPort: null, host));
    }

    /// <summary>An application without anything in it.</summary>
    public static IDistributedApplicationBuilder Empty() => DistributedApplication.CreateBuilder(new DistributedApplicationOptions
    {
        // The assembly that knows where the orchestrator is; a test project is no application host.
        AssemblyName = typeof(OllamaBridge.AppHost.FleetSettings).Assembly.GetName().Name,
        DisableDashboard = true,
    });
}
