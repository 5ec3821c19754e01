using System.Reflection;
using System.Runtime.CompilerServices;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;

namespace OllamaBridge.Hosting;

/// <summary>The source of OllamaBridge's programs: projects of this repository, or .NET tools from a package feed.</summary>
internal sealed class Programs
{
    public const string GatewayPackage = "OllamaBridge.Gateway";
    public const string SimulatorPackage = "OllamaBridge.Simulator";
    public const string StateServerPackage = "OllamaBridge.StateServer";

    /// <summary>The gateway's image, as <c>OllamaBridge.Gateway.csproj</c> and the Dockerfile name it.</summary>
    public const string GatewayImage = "ollamabridge/gateway";

    // One per application. Applications from packages never register projects.
    private static readonly ConditionalWeakTable<IDistributedApplicationBuilder, Programs> Registered = new();
    private static readonly Programs Tools = new();

    /// <summary>The version of this package, of the tools and of the image.</summary>
    public static string Version { get; } =
        typeof(Programs).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    /// <summary>The gateway's project; null if it is a tool.</summary>
    public Func<IProjectMetadata>? Gateway { get; private init; }

    /// <summary>The simulator's project; null if it is a tool.</summary>
    public Func<IProjectMetadata>? Simulator { get; private init; }

    /// <summary>The state server's project; null if it is a tool.</summary>
    public Func<IProjectMetadata>? StateServer { get; private init; }

    /// <summary>The programs of an application.</summary>
    public static Programs Of(IDistributedApplicationBuilder builder) => Registered.TryGetValue(builder, out var programs) ? programs : Tools;

    /// <summary>Runs the programs from projects.</summary>
    public static void UseProjects<TGateway, TSimulator, TStateServer>(IDistributedApplicationBuilder builder)
        where TGateway : IProjectMetadata, new()
        where TSimulator : IProjectMetadata, new()
        where TStateServer : IProjectMetadata, new() =>
        Registered.Add(builder, new Programs { Gateway = () => new TGateway(), Simulator = () => new TSimulator(), StateServer = () => new TStateServer() });

    /// <summary>Adds a program that is a project.</summary>
    public static IResourceBuilder<T> AddProject<T>(IDistributedApplicationBuilder builder, T resource, IProjectMetadata project)
        where T : ProjectResource =>
        WithRunDefaults(builder.AddResource(resource)
            .WithAnnotation(project)
            .WithProjectDefaults(new ProjectResourceOptions { ExcludeLaunchProfile = true }));

    /// <summary>Adds a program that is a .NET tool, of the same version as this package.</summary>
    public static IResourceBuilder<T> AddTool<T>(IDistributedApplicationBuilder builder, T resource)
        where T : DotnetToolResource =>
        WithRunDefaults(builder.AddDotnetTool(resource)
            .WithWorkingDirectory(builder.AppHostDirectory)
            .WithToolVersion(Version)
            .WithOtlpExporter()
            .ExcludeFromManifest());

    private static IResourceBuilder<T> WithRunDefaults<T>(IResourceBuilder<T> program)
        where T : IResourceWithEnvironment
    {
        var builder = program.ApplicationBuilder;
        if (builder.ExecutionContext.IsRunMode)
            program.WithEnvironment(context =>
            {
                // The programs have no launch profile; they run in the application's environment, which is Development under dotnet run.
                context.EnvironmentVariables["ASPNETCORE_ENVIRONMENT"] = builder.Environment.EnvironmentName;
                context.EnvironmentVariables["DOTNET_ENVIRONMENT"] = builder.Environment.EnvironmentName;
                // The dashboard stops before the programs do. With retries, each of them would spend 10 s and more on a dashboard that is gone.
                context.EnvironmentVariables.Remove("OTEL_DOTNET_EXPERIMENTAL_OTLP_RETRY");
                context.EnvironmentVariables["OTEL_EXPORTER_OTLP_TIMEOUT"] = "1000";
            });
        return program;
    }
}
