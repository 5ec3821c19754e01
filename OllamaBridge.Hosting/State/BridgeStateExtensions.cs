using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OllamaBridge.Hosting;

namespace Aspire.Hosting;

/// <summary>Adds the store that gateways share.</summary>
public static class BridgeStateExtensions
{
    internal const string RedisProgram = "redis-server";
    private const string RedisHelp = "https://redis.io/docs/latest/operate/oss_and_stack/install/";
    private const string PasswordSuffix = "password";
    private const string Icon = "Database";
    private const string DataFolderKey = "OllamaBridge:DataFolder";

    /// <summary>Adds Redis, as a container or from PATH, or OllamaBridge's state server. Its data survives restarts.</summary>
    /// <remarks>Without a container the data is in the user's local application data; the setting <c>OllamaBridge:DataFolder</c> moves it.</remarks>
    /// <param name="builder">The application builder.</param>
    /// <param name="name">The resource's name.</param>
    /// <param name="backend">The kind of store.</param>
    [AspireExport]
    public static IResourceBuilder<IResourceWithConnectionString> AddBridgeState(
        this IDistributedApplicationBuilder builder, [ResourceName] string name, BridgeStateBackend backend = BridgeStateBackend.Auto)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return AddBridgeState(builder, name, backend, HostProbe.Of(builder));
    }

    internal static IResourceBuilder<IResourceWithConnectionString> AddBridgeState(
        this IDistributedApplicationBuilder builder, string name, BridgeStateBackend backend, IHostProbe host)
    {
        var choice = Choices.State(backend, builder.ExecutionContext.IsPublishMode, host);
        builder.OnBeforeStart((started, _) =>
        {
            var logger = started.Services.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(Programs).Namespace!);
            HostingLog.State(logger, name, choice.Value, choice.Reason);
            return Task.CompletedTask;
        });
        return choice.Value switch
        {
            BridgeStateBackend.Container => builder.AddRedisContainer(name),
            BridgeStateBackend.Executable => builder.AddRedisExecutable(name),
            _ => builder.AddEmbeddedState(name),
        };
    }

    private static IResourceBuilder<RedisResource> AddRedisContainer(this IDistributedApplicationBuilder builder, string name)
    {
        var redis = builder.AddRedis(name)
            .WithDataVolume($"{name}-data")
            .WithIconName(Icon)
            // It listens on loopback; the connection string must not depend on whether a developer certificate is trusted.
            .WithoutHttpsCertificate();
        // The snapshots that the data volume implies lose up to a minute. In a published application the command is one text for a shell.
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

    private static IResourceBuilder<IResourceWithConnectionString> AddRedisExecutable(this IDistributedApplicationBuilder builder, string name)
    {
        var data = DataFolder(builder, name);
        var configuration = Path.Combine(data, "redis.conf");
        var resource = new RedisExecutableResource(name, builder.AppHostDirectory, Password(builder, name));
        return builder.AddResource(resource)
            .ExcludeFromManifest()
            .WithEndpoint(name: ILocalState.EndpointName, scheme: "tcp", isProxied: false)
            .WithRedisHealthCheck()
            .WithRequiredCommand(RedisProgram, RedisHelp)
            .WithIconName(Icon)
            // A file, because every user of this machine can read a command line.
            .OnBeforeResourceStarted((state, _, cancellationToken) => WritePasswordAsync(configuration, state.Password, cancellationToken))
            .WithArgs(context =>
            {
                foreach (var argument in (object[])[configuration, "--bind", "127.0.0.1", "--port",
                    Endpoint(resource).Property(EndpointProperty.TargetPort), "--dir", data, "--appendonly", "yes"])
                    context.Args.Add(argument);
            });
    }

    private static IResourceBuilder<IResourceWithConnectionString> AddEmbeddedState(this IDistributedApplicationBuilder builder, string name)
    {
        var password = Password(builder, name);
        return Programs.Of(builder).StateServer is { } project
            ? Configure(Programs.AddProject(builder, new EmbeddedStateProjectResource(name, password), project()))
            : Configure(Programs.AddTool(builder, new EmbeddedStateToolResource(name, password)));
    }

    private static IResourceBuilder<T> Configure<T>(IResourceBuilder<T> state)
        where T : class, ILocalState => state
        .WithEndpoint(name: ILocalState.EndpointName, scheme: "tcp", isProxied: false)
        .WithRedisHealthCheck()
        .WithIconName(Icon)
        .WithEnvironment(context =>
        {
            context.EnvironmentVariables["STATE_PORT"] = Endpoint(state.Resource).Property(EndpointProperty.TargetPort);
            context.EnvironmentVariables["STATE_PASSWORD"] = state.Resource.Password;
            context.EnvironmentVariables["STATE_DATA"] = DataFolder(state.ApplicationBuilder, state.Resource.Name);
        });

    private static EndpointReference Endpoint(ILocalState state) => state.Endpoint;

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
        // Without commas: StackExchange.Redis separates its options by them.
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

    // The data outlives a clean build. By default Aspire's key (KnownConfigNames) distinguishes applications; a setting moves the folder,
    // for example for two runs of one application at the same time.
    private static string DataFolder(IDistributedApplicationBuilder builder, string name) =>
        Path.Combine(builder.Configuration[DataFolderKey] is { Length: > 0 } folder ? Path.GetFullPath(folder) : DefaultDataFolder(builder), name);

    private static string DefaultDataFolder(IDistributedApplicationBuilder builder) => Path.Combine(
        Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.Create),
        "OllamaBridge",
        builder.Configuration["AppHost:Sha256"] is { Length: > 8 } hash ? hash[..8] : "apphost");
}
