using System.Text;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;
using Microsoft.Extensions.DependencyInjection;
using OllamaBridge.Hosting;

namespace OllamaBridge.Tests;

/// <summary>
/// Local instances that run <c>ollama serve</c> from PATH. The program on PATH is a script that starts the simulator, which lists and pulls
/// models, and fails, like an Ollama server.
/// </summary>
public sealed class LocalInstancesTests : IAsyncLifetime
{
    private const string Model = "qwen3:8b";
    private const string MissingModel = "nobody/has-it:1b";
    private readonly string _folder = Directory.CreateTempSubdirectory("ollamabridge-path-").FullName;
    private readonly string? _path = Environment.GetEnvironmentVariable("PATH");
    private DistributedApplication? _app;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private DistributedApplication App => _app!;

    public async ValueTask InitializeAsync()
    {
        if (Orchestrator.Missing is not null || OperatingSystem.IsWindows())
            return;
        var simulator = Path.Combine(Repository.Root, "OllamaBridge.Simulator", "bin", Repository.Configuration, "net10.0", "OllamaBridge.Simulator.dll");
        Assert.True(File.Exists(simulator), simulator);
        var program = Path.Combine(_folder, "ollama");
        await File.WriteAllTextAsync(program, $"""
            #!/bin/sh
            [ "$1" = serve ] || exit 64
            exec dotnet "{simulator}" --port "${"{OLLAMA_HOST##*:}"}" --models= --remote-models={Model} --pull-speed 2000000000 --slots "$OLLAMA_NUM_PARALLEL"
            """.ReplaceLineEndings("\n"), new UTF8Encoding(false), Token);
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Environment.SetEnvironmentVariable("PATH", $"{_folder}{Path.PathSeparator}{_path}");

        var builder = await Apps.OwnAsync(
            "--Fleet:Backend=Executable", "--Fleet:State=Embedded", "--Fleet:Instances=2", $"--Fleet:Models={Model},{MissingModel}",
            $"--OllamaBridge:DataFolder={_folder}");
        _app = await builder.BuildAsync(Token);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(RunningApplication.Patience);
        await _app.StartAsync(patience.Token);
    }

    public async ValueTask DisposeAsync()
    {
        if (_app is not null)
            await _app.DisposeAsync();
        Environment.SetEnvironmentVariable("PATH", _path);
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Pull_OneModelMissing_OthersUsableAndRetryOffered()
    {
        Assert.SkipWhen(Orchestrator.Missing is not null, Orchestrator.Missing ?? "");
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the program on PATH is a shell script");

        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(RunningApplication.Patience);
        // No resource waits for the model that cannot be pulled.
        foreach (var name in new[] { "ollama-1", "ollama-2", "bridge" })
            await App.ResourceNotifications.WaitForResourceHealthyAsync(name, WaitBehavior.StopOnResourceUnavailable, patience.Token);
        await App.ResourceNotifications.WaitForResourceAsync("model-qwen3-8b", KnownResourceStates.Running, patience.Token);
        await App.ResourceNotifications.WaitForResourceAsync("model-nobody-has-it-1b", "Pull failed", patience.Token);

        Assert.True(App.ResourceNotifications.TryGetCurrentState("model-nobody-has-it-1b", out var failed));
        var error = Assert.Single(failed.Snapshot.Properties, p => p.Name == "Error").Value;
        Assert.Contains("file does not exist", Assert.IsType<string>(error), StringComparison.Ordinal);
        Assert.Equal(KnownResourceStateStyles.Error, failed.Snapshot.State!.Style);
        Assert.Equal(ResourceCommandState.Enabled, failed.Snapshot.Commands.Single(c => c.Name == ModelPulls.Retry).State);
        Assert.True(App.ResourceNotifications.TryGetCurrentState("model-qwen3-8b", out var pulled));
        Assert.Equal(ResourceCommandState.Disabled, pulled.Snapshot.Commands.Single(c => c.Name == ModelPulls.Retry).State);

        var again = await App.Services.GetRequiredService<ResourceCommandService>().ExecuteCommandAsync(
            App.Services.GetRequiredService<DistributedApplicationModel>().Resources.Single(r => r.Name == "model-nobody-has-it-1b"), ModelPulls.Retry, Token);
        Assert.False(again.Success);
        Assert.Contains("file does not exist", again.Message, StringComparison.Ordinal);

        using var bridge = App.CreateHttpClient("bridge");
        await RunningApplication.UntilAsync(
            async () => (await bridge.GetStringAsync("/api/tags", Token)).Contains(Model, StringComparison.Ordinal), "the bridge lists the model");
    }
}
