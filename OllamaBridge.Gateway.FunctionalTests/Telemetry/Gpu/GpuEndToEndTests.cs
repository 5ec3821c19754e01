using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Telemetry.Gpu;

/// <summary>GPU figures from their source to <c>/metrics</c>. These tests run alone, because all gateways of a process share their metrics.</summary>
[Collection(nameof(Alone))]
public sealed class GpuEndToEndTests
{
    private static readonly TimeSpan Patience = TestTimeouts.Guard;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Metrics_ExporterStops_FiguresDisappear()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        await using var exporter = builder.Build();
        exporter.MapGet("/metrics", () => Results.Text("DCGM_FI_DEV_GPU_UTIL{gpu=\"2\",UUID=\"GPU-1\"} 75\nDCGM_FI_DEV_FB_USED{gpu=\"2\"} 1\nDCGM_FI_DEV_FB_FREE{gpu=\"2\"} 3\nDCGM_FI_DEV_GPU_TEMP{gpu=\"2\"} 61\n"));
        await exporter.StartAsync(Token);
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await TestBridge.StartAsync(
            fleet.Servers, ("Bridge:Gpu:Interval", "00:00:01"), ("Bridge:Gpu:NvidiaSmi", ""), ("Bridge:Gpu:Exporters:sim-2", $"{exporter.Urls.Single()}/metrics"));

        await Eventually.BecomesAsync(async () => (await GpuAsync(bridge)).Count == 4, Patience);
        var seen = await GpuAsync(bridge);
        Assert.All(seen, m => Assert.Equal(("sim-2", "2"), (m.Labels["instance"], m.Labels["gpu"])));
        Assert.Equal(
            [("ollama_gpu_memory_total_bytes", 4 * 1024 * 1024), ("ollama_gpu_memory_used_bytes", 1024 * 1024), ("ollama_gpu_temperature_celsius", 61), ("ollama_gpu_utilization", 0.75)],
            seen.Select(m => (m.Name, m.Value)).Order());

        await exporter.StopAsync(Token);
        await Eventually.BecomesAsync(async () => (await GpuAsync(bridge)).Count == 0, Patience);
    }

    [Fact]
    public async Task Metrics_NvidiaSmiOnThisMachine_UsedForLoopbackInstances()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the fake nvidia-smi is a shell script");
        var program = Path.Combine(Path.GetTempPath(), $"nvidia-smi-{Guid.NewGuid():N}");
        // Records its arguments, and prints the figures of one card.
        await File.WriteAllTextAsync(program, $"#!/bin/sh\necho \"$@\" > {program}.asked\necho '0, 42, 10, 20, [N/A]'\n", Token);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        try
        {
            await using var fleet = await TestFleet.StartAsync(1);
            await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Gpu:Interval", "00:00:01"), ("Bridge:Gpu:NvidiaSmi", program));

            await Eventually.BecomesAsync(async () => (await GpuAsync(bridge)).Count == 3, Patience);

            Assert.Equal(0.42, (await GpuAsync(bridge)).Single(m => m.Name == "ollama_gpu_utilization").Value);
            Assert.Equal(
                "--query-gpu=index,utilization.gpu,memory.used,memory.total,temperature.gpu --format=csv,noheader,nounits",
                (await File.ReadAllTextAsync($"{program}.asked", Token)).Trim());
        }
        finally
        {
            File.Delete(program);
            File.Delete($"{program}.asked");
        }
    }

    [Fact]
    public async Task Start_ExporterWithoutAddress_ErrorNamesKey()
    {
        await using var fleet = await TestFleet.StartAsync(1);

        var error = await Assert.ThrowsAnyAsync<Exception>(() => TestBridge.StartAsync(fleet.Servers, ("Bridge:Gpu:Exporters:sim-1", "gpu-1:9400")));

        Assert.Contains("Bridge:Gpu:Exporters:sim-1", error.ToString(), StringComparison.Ordinal);
    }

    private static async Task<IReadOnlyList<ScrapedMetric>> GpuAsync(TestBridge bridge) =>
        [.. ScrapedMetric.Read(await bridge.Client.GetStringAsync("/metrics", Token)).Where(m => m.Name.StartsWith("ollama_gpu_", StringComparison.Ordinal))];
}
