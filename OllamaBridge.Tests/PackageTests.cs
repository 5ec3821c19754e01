using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using OllamaBridge.Hosting;

namespace OllamaBridge.Tests;

/// <summary>An application outside this repository uses the packages from a folder feed: the integration as a library, the programs as .NET tools.</summary>
public sealed class PackageTests : IAsyncLifetime
{
    private const string Key = "ob-0123456789ab-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    private static readonly string[] Projects = ["OllamaBridge.Hosting", "OllamaBridge.Gateway", "OllamaBridge.Simulator", "OllamaBridge.StateServer"];
    private readonly string _folder = Directory.CreateTempSubdirectory("ollamabridge-packages-").FullName;
    private ChildProgram? _application;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Feed => Path.Combine(_folder, "feed");

    private string Application => Path.Combine(_folder, "app");

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (_application is not null)
            await _application.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Application_OutsideRepository_RespondsThroughTools()
    {
        Assert.SkipWhen(Orchestrator.Missing is not null, Orchestrator.Missing ?? "");
        await PackAsync();
        var port = FreePort();
        await WriteApplicationAsync(port);

        _application = ChildProgram.Start("dotnet", Application, "run", "--", $"--Parameters:bridge-key={Key}");
        using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
        client.DefaultRequestHeaders.Authorization = new("Bearer", Key);
        var answer = await FirstAnswerAsync(client, _application);

        Assert.True(answer["done"]!.GetValue<bool>());
        // The programs run from the feed, not from this repository.
        var packages = Path.Combine(_folder, "packages");
        var programs = ChildProgram.RunningCommandLines();
        foreach (var program in new[] { "gateway", "simulator", "stateserver" })
            Assert.Contains(programs, line => line.Contains(Path.Combine(packages, $"ollamabridge.{program}"), StringComparison.Ordinal));
    }

    private async Task PackAsync()
    {
        foreach (var project in Projects)
        {
            await using var pack = ChildProgram.Start(
                "dotnet", Repository.Root, "pack", project, "--no-build", "--configuration", Repository.Configuration,
                "--output", Feed, "--nologo", "--verbosity", "quiet");
            Assert.True(await pack.ExitAsync(Token) == 0, pack.Output);
        }

        Assert.Equal(Projects.Length, Directory.GetFiles(Feed, "*.nupkg").Length);
    }

    private async Task WriteApplicationAsync(int port)
    {
        Directory.CreateDirectory(Application);
        var packages = Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } folder
            ? folder
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        // A separate package folder keeps the test's packages out of the user's folder, which is only a fallback source.
        await File.WriteAllTextAsync(Path.Combine(Application, "nuget.config"), $"""
            <configuration>
              <config><add key="globalPackagesFolder" value="{Path.Combine(_folder, "packages")}" /></config>
              <fallbackPackageFolders><add key="user" value="{packages}" /></fallbackPackageFolders>
              <packageSources><add key="ollamabridge" value="{Feed}" /></packageSources>
            </configuration>
            """, Token);
        await File.WriteAllTextAsync(Path.Combine(Application, "App.csproj"), $"""
            <Project Sdk="Aspire.AppHost.Sdk/{Versions.AspireSdk}">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <ImplicitUsings>enable</ImplicitUsings>
                <AspireUseCliBundle>false</AspireUseCliBundle>
                <NoWarn>$(NoWarn);ASPIRE010;NU1603</NoWarn>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="Aspire.Hosting.AppHost" Version="{Versions.Aspire}" />
                <PackageReference Include="OllamaBridge.Hosting" Version="{Programs.Version}" />
              </ItemGroup>
            </Project>
            """, Token);
        await File.WriteAllTextAsync(Path.Combine(Application, "Program.cs"), $$"""
            var builder = DistributedApplication.CreateBuilder(new DistributedApplicationOptions { Args = args, DisableDashboard = true });

            builder.AddOllamaBridge("bridge", port: {{port}})
                .WithApiKey(builder.AddBridgeKey("bridge-key"))
                .WithState(builder.AddBridgeState("state", BridgeStateBackend.Embedded))
                .WithSimulatedInstances(2)
                .WithModels("deepseek-r1:7b");

            builder.Build().Run();
            """, Token);
    }

    private static async Task<JsonNode> FirstAnswerAsync(HttpClient client, ChildProgram application)
    {
        JsonNode? body = null;
        await RunningApplication.UntilAsync(
            async () =>
            {
                Assert.False(application.HasExited, application.Output);
                try
                {
                    using var answer = await client.PostAsJsonAsync(
                        "/api/chat",
                        new
                        {
                            model = "deepseek-r1:7b",
                            stream = false,
                            messages = new[] { new { role = "user", content = "Hello?" } },
                            options = new { num_predict = 4 },
                        },
                        Token);
                    body = answer.StatusCode == HttpStatusCode.OK ? await answer.Content.ReadFromJsonAsync<JsonNode>(Token) : null;
                    return body is not null;
                }
                catch (HttpRequestException)
                {
                    return false;
                }
            },
            () => $"an instance answers; the application printed:\n{application.Output}");
        return body!;
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
