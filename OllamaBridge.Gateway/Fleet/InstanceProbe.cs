using System.Collections.Immutable;
using System.Net.Sockets;
using System.Text.Json;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet.Regions;
using OpenTelemetry;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>The result of one probe, which began at <c>AskedAt</c> (ticks). <c>Loaded</c> and <c>Catalog</c> are default if not requested or not received.</summary>
internal sealed record ProbeResult(
    Instance Instance,
    long AskedAt,
    string? Error,
    bool Refused,
    string? Version,
    ImmutableArray<LoadedModel> Loaded,
    ImmutableArray<CatalogModel> Catalog)
{
    public RegionReport? Region { get; init; }

    /// <summary>Slots in use on the instance when the probe began.</summary>
    public int SlotsUsed { get; init; }

    /// <summary>Whether it responds, but is not the configured kind of server.</summary>
    public bool IsMistaken { get; init; }

    /// <summary>Why the requested models on disk were not received; null if they were received or not requested.</summary>
    public string? CatalogError { get; init; }

    public Task<CatalogResult>? LateCatalog { get; init; }

    public ImmutableArray<string> Remarks { get; init; } = [];
}

/// <summary>The result of reading a model list, requested at <c>AskedAt</c> (ticks). <c>Catalog</c> is default if there is an error.</summary>
internal sealed record CatalogResult(Instance Instance, long AskedAt, ImmutableArray<CatalogModel> Catalog, string? Error, TimeSpan Took);

/// <summary>Probes an instance by its kind (<see cref="OllamaProbe"/>, <see cref="OpenAIProbe"/>); another region's bridge reports its capacity, too.</summary>
internal sealed class InstanceProbe(HttpMessageInvoker client, TimeProvider time)
{
    public const string ClientKey = "probe";

    /// <summary>Throws only on cancellation by <paramref name="cancellationToken"/>. <paramref name="catalogTimeout"/> is null for the probe's timeout.</summary>
    public async Task<ProbeResult> ProbeAsync(
        Instance instance, bool withCatalog, TimeSpan timeout, CancellationToken cancellationToken, TimeSpan? catalogTimeout = null)
    {
        var askedAt = time.GetTimestamp();
        // Traces of probes, one for each instance every two seconds, would hide those of requests.
        using var untraced = SuppressInstrumentationScope.Begin();
        using var limit = new LinkedTimeout(timeout, time, cancellationToken);
        Task<ProbeAnswer> GetAsync(string path) => ReadAsync(instance, path, limit.Token);
        try
        {
            Task<CatalogResult>? ReadCatalog() => withCatalog ? ReadCatalogAsync(instance, askedAt, catalogTimeout ?? timeout, cancellationToken) : null;
            ProbeResult result;
            Task<CatalogResult>? catalog;
            if (instance.OpenAI is { } service)
            {
                await OpenAIProbe.ProbeAsync(service, GetAsync);
                catalog = ReadCatalog();
                result = new ProbeResult(instance, askedAt, Error: null, Refused: false, Version: null, Loaded: [], Catalog: default);
            }
            else
            {
                var used = instance.SlotsUsed;
                var region = instance.IsPeer ? await ReadRegionAsync(instance, limit.Token) : null;
                if (region?.Mistake(instance.Name, instance.Peer!.Self) is { } mistake)
                    return new ProbeResult(instance, askedAt, mistake, Refused: false, null, [], default) { IsMistaken = true };
                var version = await OllamaProbe.ReadVersionAsync(GetAsync);
                // In parallel to the list of models in memory, which takes the whole timeout while a model is being loaded.
                catalog = ReadCatalog();
                var health = await OllamaProbe.ReadMemoryAsync(GetAsync, version);
                cancellationToken.ThrowIfCancellationRequested();
                result = new ProbeResult(instance, askedAt, Error: null, Refused: false, health.Version, health.Loaded, Catalog: default)
                {
                    Region = region,
                    SlotsUsed = used,
                    Remarks = health.Remarks,
                };
            }

            return catalog is null ? result : await WithCatalogAsync(result, catalog, timeout, limit.Token, cancellationToken);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested && IsExpected(e))
        {
            var refused = e is HttpRequestException { InnerException: SocketException { SocketErrorCode: SocketError.ConnectionRefused } };
            var reason = limit.IsExpired ? NoAnswer(timeout) : ProbeError.Describe(e, instance.IsTls);
            return new ProbeResult(instance, askedAt, reason, refused, null, [], default);
        }
    }

    private static async Task<ProbeResult> WithCatalogAsync(
        ProbeResult result, Task<CatalogResult> reading, TimeSpan timeout, CancellationToken deadline, CancellationToken cancellationToken)
    {
        try
        {
            var catalog = await reading.WaitAsync(deadline);
            return result with { Catalog = catalog.Catalog, CatalogError = catalog.Error };
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return result with { CatalogError = $"its list of models has not arrived yet: {NoAnswer(timeout)}", LateCatalog = reading };
        }
    }

    /// <summary>Throws only on cancellation by <paramref name="cancellationToken"/>.</summary>
    private async Task<CatalogResult> ReadCatalogAsync(Instance instance, long askedAt, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var limit = new LinkedTimeout(timeout, time, cancellationToken);
        Task<ProbeAnswer> GetAsync(string path) => ReadAsync(instance, path, limit.Token);
        try
        {
            var catalog = instance.OpenAI is { } service ? await OpenAIProbe.ReadCatalogAsync(service, GetAsync) : await OllamaProbe.ReadCatalogAsync(GetAsync);
            return new CatalogResult(instance, askedAt, catalog, Error: null, time.GetElapsedTime(askedAt));
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested && IsExpected(e))
        {
            var reason = limit.IsExpired ? NoAnswer(timeout) : ProbeError.Describe(e, instance.IsTls);
            return new CatalogResult(instance, askedAt, default, $"its list of models cannot be read: {reason}", time.GetElapsedTime(askedAt));
        }
    }

    private static string NoAnswer(TimeSpan timeout) => $"no answer within {timeout.TotalSeconds:0.###} s";

    private static bool IsExpected(Exception e) =>
        e is HttpRequestException or IOException or OperationCanceledException or JsonException or InvalidOperationException or FormatException or ArgumentException;

    private async Task<RegionReport> ReadRegionAsync(Instance instance, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(instance, PeerBridge.Path, cancellationToken);
        if (!response.IsSuccessStatusCode)
            throw new HttpRequestException($"{PeerBridge.Path} responded with {(int)response.StatusCode}");
        return await response.Content.ReadFromJsonAsync(RegionJson.Default.RegionReport, cancellationToken)
            ?? throw new JsonException($"{PeerBridge.Path} responded with null");
    }

    private async Task<ProbeAnswer> ReadAsync(Instance instance, string path, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(instance, path, cancellationToken);
        return new ProbeAnswer(response.StatusCode, await response.Content.ReadAsByteArrayAsync(cancellationToken), Origin(response.Headers.Location));
    }

    private static string? Origin(Uri? location) =>
        location is null ? null : location.IsAbsoluteUri ? location.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped) : "another path";

    private async Task<HttpResponseMessage> SendAsync(Instance instance, string path, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, instance.Prefix + path);
        instance.Authorize(request);
        return await client.SendAsync(request, cancellationToken);
    }
}
