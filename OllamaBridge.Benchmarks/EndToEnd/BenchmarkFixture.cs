using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>The measured servers, each in its own process, all on this machine's loopback interface.</summary>
internal sealed class BenchmarkFixture : IAsyncDisposable
{
    public static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(60);

    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(10) };

    /// <summary>The simulators, reached without a proxy.</summary>
    public required Target Direct { get; init; }

    /// <summary>Starts the simulators, with every model in memory.</summary>
    public static async Task<BenchmarkFixture> StartAsync(CancellationToken cancellationToken)
    {
        var process = StartSelf(SimulatorFleet.Command);
        var bed = new BenchmarkFixture { Direct = new Target("direct", await process.AddressesAsync(StartPatience, cancellationToken), process) };
        try
        {
            foreach (var address in bed.Direct.Addresses)
                foreach (var model in SimulatorFleet.Models)
                    (await bed._http.PostAsJsonAsync($"http://{address}/api/chat", new { model, messages = Array.Empty<object>() }, cancellationToken))
                        .EnsureSuccessStatusCode();
            return bed;
        }
        catch
        {
            await bed.DisposeAsync();
            throw;
        }
    }

    public async Task<Target> StartYarpAsync(CancellationToken cancellationToken)
    {
        var process = StartSelf([BareYarp.Command, .. Direct.Addresses.Select(a => a.ToString())]);
        return new Target("bare YARP", await process.AddressesAsync(StartPatience, cancellationToken), process);
    }

    /// <summary>
    /// Starts the gateway with default settings except for the addresses and slots of the instances. Completes when the gateway reports every model in
    /// memory on every instance.
    /// </summary>
    public Task<Target> StartGatewayAsync(CancellationToken cancellationToken) =>
        StartGatewayAsync("gateway", new Dictionary<string, string>(), null, cancellationToken);

    /// <summary>
    /// Starts the gateway with additional settings. Completes when the gateway reports every model in memory on every instance and has reached its
    /// shared state. The operator's key is null if the gateway needs none, the folder is null for this build of the gateway.
    /// </summary>
    public async Task<Target> StartGatewayAsync(
        string name, IReadOnlyDictionary<string, string> settings, string? operatorKey, CancellationToken cancellationToken, string? folder = null)
    {
        var address = FreeAddress();
        var process = ChildServer.Start(Path.Combine(folder ?? "", "OllamaBridge.Gateway.dll"), [], new Dictionary<string, string>(settings)
        {
            ["ASPNETCORE_URLS"] = $"http://{address}",
            ["DOTNET_CONTENTROOT"] = folder ?? AppContext.BaseDirectory,
            ["Bridge__Urls"] = string.Join(',', Direct.Addresses.Select(a => $"http://{a}")),
            ["Bridge__Slots"] = $"{SimulatorFleet.Slots}",
        });
        try
        {
            await AwaitFleetAsync(address, process, operatorKey, cancellationToken);
            return new Target(name, [address], process);
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await Direct.Process.DisposeAsync();
    }

    private async Task AwaitFleetAsync(IPEndPoint gateway, ChildServer process, string? key, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(StartPatience);
        while (true)
        {
            process.ThrowIfEnded();
            try
            {
                var fleet = await GetAsync(gateway, "/bridge/instances", key, patience.Token);
                if (fleet.GetArrayLength() == Direct.Addresses.Count
                    && fleet.EnumerateArray().All(i => i.GetProperty("loaded").GetArrayLength() == SimulatorFleet.Models.Count)
                    && (await GetAsync(gateway, "/health", key, patience.Token)).GetProperty("status").GetString() == "Healthy")
                    return;
            }
            catch (HttpRequestException)
            {
                // The gateway does not listen yet.
            }

            await Task.Delay(TimeSpan.FromMilliseconds(100), patience.Token);
        }
    }

    private async Task<JsonElement> GetAsync(IPEndPoint gateway, string path, string? key, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"http://{gateway}{path}");
        if (key is not null)
            request.Headers.Authorization = new("Bearer", key);
        using var answer = await _http.SendAsync(request, cancellationToken);
        answer.EnsureSuccessStatusCode();
        return await answer.Content.ReadFromJsonAsync<JsonElement>(cancellationToken);
    }

    private static ChildServer StartSelf(params string[] arguments) => ChildServer.Start("OllamaBridge.Benchmarks.dll", arguments);

    /// <summary>An address of this machine on which no server listens.</summary>
    public static IPEndPoint FreeAddress()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return (IPEndPoint)listener.LocalEndpoint;
    }
}
