using System.Collections.Immutable;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Discovery;
using OpenTelemetry;

namespace OllamaBridge.Gateway.Fleet.Weights;

/// <summary>Reads models that may share their weights (<c>/api/show</c>): each digest once, one request at a time, never for a client's request.</summary>
internal sealed class WeightsReader(IFleet fleet, ModelWeights weights, HttpMessageInvoker client, TimeProvider time, ILogger<WeightsReader> logger)
    : BackgroundService
{
    private const int MaxFailed = 4096;
    private const int MaxBytes = 8 * 1024 * 1024;
    private static readonly MediaTypeHeaderValue Json = new("application/json");
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Pause = TimeSpan.FromMinutes(5);
    private readonly Channel<bool> _changes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly Dictionary<string, Moment> _failed = new(StringComparer.Ordinal);
    private readonly ConditionalWeakTable<Instance, StrongBox<ImmutableArray<CatalogModel>>> _lastRead = [];

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        void Note() => _changes.Writer.TryWrite(true);
        fleet.Changed += Note;
        Note();
        try
        {
            await foreach (var _ in _changes.Reader.ReadAllAsync(stoppingToken))
                foreach (var view in fleet.Current.Instances)
                    if (view is { Status: InstanceStatus.Healthy, Instance.Kind: InstanceKind.Ollama })
                        await ReadAsync(view, stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Shutdown.
        }
        finally
        {
            fleet.Changed -= Note;
        }
    }

    private async Task ReadAsync(InstanceView view, CancellationToken stoppingToken)
    {
        // Snapshots are far more frequent than new model lists.
        var last = _lastRead.GetOrCreateValue(view.Instance);
        if (last.Value == view.Catalog)
            return;
        last.Value = view.Catalog;
        if (_failed.Count > MaxFailed)
            _failed.Clear();
        var hasNews = false;
        foreach (var model in LookalikeModels.Find(view.Catalog, weights))
        {
            if (_failed.TryGetValue(model.Digest!, out var until) && time.GetMoment() < until)
                continue;
            if (await ShowAsync(view.Instance, model.Name, stoppingToken) is { } show)
            {
                weights.Add(model.Digest!, RunnerKey.Read(show));
                _failed.Remove(model.Digest!);
                hasNews = true;
            }
            else
            {
                _failed[model.Digest!] = time.GetMoment() + Pause;
                FleetLog.WeightsUnknown(logger, model.Name, view.Instance.Name, Pause.TotalMinutes);
            }
        }

        // The next snapshot uses the new keys.
        if (hasNews)
            fleet.RequestProbe(view.Instance);
    }

    /// <returns>Null if the instance does not respond with success.</returns>
    private async Task<JsonElement?> ShowAsync(Instance instance, string model, CancellationToken stoppingToken)
    {
        using var untraced = SuppressInstrumentationScope.Begin();
        using var timeout = new LinkedTimeout(Patience, time, stoppingToken);
        // Servers before 0.1.30 read "name" instead of "model".
        var body = new JsonObject { ["model"] = model, ["name"] = model };
        using var message = new HttpRequestMessage(HttpMethod.Post, instance.Prefix + "/api/show")
        {
            Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body.ToJsonString())) { Headers = { ContentType = Json } },
        };
        instance.Authorize(message);
        try
        {
            using var response = await client.SendAsync(message, timeout.Token);
            if (!response.IsSuccessStatusCode)
                return null;
            await response.Content.LoadIntoBufferAsync(MaxBytes, timeout.Token);
            return new ProbeAnswer(response.StatusCode, await response.Content.ReadAsByteArrayAsync(timeout.Token)).ReadObject();
        }
        catch (Exception e) when (e is HttpRequestException or IOException || (e is OperationCanceledException && !stoppingToken.IsCancellationRequested))
        {
            return null;
        }
    }
}
