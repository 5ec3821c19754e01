using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace OllamaBridge.Hosting;

/// <summary>Adds the store that gateways share.</summary>
public static class BridgeStateExtensions
{
    private const string PasswordSuffix = "password";

    /// <summary>Adds Redis, as a container or from PATH, or the embedded server that speaks its protocol. What it holds survives restarts.</summary>
    /// <param name="builder">The application.</param>
    /// <param name="name">The resource's name.</param>
    /// <param name="backend">Which of them.</param>
    public static IResourceBuilder<IResourceWithConnectionString> AddBridgeState(
        this IDistributedApplicationBuilder builder, [ResourceName] string name, StateBackend backend = StateBackend.Auto)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return AddBridgeState(builder, name, backend, HostProbe.Of(builder));
    }

    internal static IResourceBuilder<IResourceWithConnectionString> AddBridgeState(
        this IDistributedApplicationBuilder builder, string name, StateBackend backend, IHostProbe host)
    {
        var choice = Choices.State(backend, builder.ExecutionContext.IsPublishMode, host);
        builder.OnBeforeStart((started, _) =>
        {
            var logger = started.Services.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(BridgeStateExtensions).Namespace!);
            HostingLog.State(logger, name, choice.Value, choice.Reason);
            return Task.CompletedTask;
        });
        return choice.Value switch
        {
            StateBackend.Container => builder.AddRedisContainer(name),
            StateBackend.Executable => builder.AddRedisExecutable(name),
            _ => builder.AddEmbeddedState(name),
        };
    }

    private static IResourceBuilder<RedisResource> AddRedisContainer(this IDistributedApplicationBuilder builder, string name)
    {
        var redis = builder.AddRedis(name)
            .WithDataVolume($"{name}-data")
            // On this machine's loopback; whether a developer certificate is trusted must not change the connection string.
            .WithoutHttpsCertificate();
        // The snapshots that the data volume brings lose up to a minute. Published, the command is one text for a shell.
        return redis.WithArgs(context =>
        {
            if (context.ExecutionContext.IsRunMode)
            {
                context.Args.Add("--appendonly");
                context.Args.Add("yes");
            }
            else
            {
                context.Args[^1] = $"{context.Args[^1]} --appendonly yes";
            }
        });
    }

    private static IResourceBuilder<LocalStateResource> AddRedisExecutable(this IDistributedApplicationBuilder builder, string name)
    {
        var data = DataFolder(builder, name);
        var configuration = Path.Combine(data, "redis.conf");
        var state = builder.AddResource(new LocalStateResource(name, "redis-server", builder.AppHostDirectory, Password(builder, name)))
            .ExcludeFromManifest()
            .WithEndpoint(name: LocalStateResource.EndpointName, scheme: "tcp")
            .WithRedisHealthCheck()
            .WithIconName("Database")
            // A file, because everybody on this machine can read a command line.
            .OnBeforeResourceStarted((resource, _, cancellationToken) => WritePasswordAsync(configuration, resource.Password, cancellationToken));
        return state.WithArgs(context =>
        {
            foreach (var argument in (object[])[configuration, "--bind", "127.0.0.1", "--port",
                state.Resource.Endpoint.Property(EndpointProperty.TargetPort), "--dir", data, "--appendonly", "yes"])
                context.Args.Add(argument);
        });
    }

    private static IResourceBuilder<EmbeddedStateResource> AddEmbeddedState(this IDistributedApplicationBuilder builder, string name)
    {
        var resource = new EmbeddedStateResource(name, Password(builder, name));
        return builder.AddResource(resource)
            .WithAnnotation(new Projects.OllamaBridge_StateServer())
            .WithProjectDefaults(new ProjectResourceOptions { ExcludeLaunchProfile = true })
            .WithEndpoint(name: LocalStateResource.EndpointName, scheme: "tcp")
            .WithRedisHealthCheck()
            .WithIconName("Database")
            .WithEnvironment(context =>
            {
                context.EnvironmentVariables["STATE_PORT"] = resource.Endpoint.Property(EndpointProperty.TargetPort);
                context.EnvironmentVariables["STATE_PASSWORD"] = resource.Password;
                context.EnvironmentVariables["STATE_DATA"] = DataFolder(builder, name);
            });
    }

    private static IResourceBuilder<T> WithRedisHealthCheck<T>(this IResourceBuilder<T> state)
        where T : IResourceWithConnectionString
    {
        var key = $"{state.Resource.Name}_check";
        string? connectionString = null;
        state.OnConnectionStringAvailable(async (resource, _, cancellationToken) =>
            connectionString = await resource.GetConnectionStringAsync(cancellationToken));
        state.ApplicationBuilder.Services.AddHealthChecks()
            .AddRedis(_ => connectionString ?? throw new InvalidOperationException("The state's address is not known yet."), key);
        return state.WithHealthCheck(key);
    }

    private static ParameterResource Password(IDistributedApplicationBuilder builder, string name) =>
        // No commas in it: StackExchange.Redis separates its options by them.
        ParameterResourceBuilderExtensions.CreateDefaultPasswordParameter(builder, $"{name}-{PasswordSuffix}", special: false);

    private static async Task WritePasswordAsync(string path, ParameterResource password, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        await using var file = new StreamWriter(path, options);
        await file.WriteLineAsync($"requirepass {await password.GetValueAsync(cancellationToken)}".AsMemory(), cancellationToken);
    }

    // Aspire's own key for telling one application from another (KnownConfigNames); the data outlives a clean build.
    private static string DataFolder(IDistributedApplicationBuilder builder, string name) => Path.Combine(
        Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.Create),
        "OllamaBridge",
        builder.Configuration["AppHost:Sha256"] is { Length: > 8 } hash ? hash[..8] : "apphost",
        name);
}
