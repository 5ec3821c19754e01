using System.Collections.Immutable;
using System.Net.Sockets;
using System.Text.Json;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Regions;
using OpenTelemetry;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>What one look at an instance found.</summary>
/// <param name="Instance">The instance.</param>
/// <param name="AskedAt">When, in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</param>
/// <param name="Error">Why it failed; null for an answer.</param>
/// <param name="Refused">Whether nobody listens there.</param>
/// <param name="Version">The server's version.</param>
/// <param name="Loaded">Models in memory; default if the server does not tell.</param>
/// <param name="Catalog">Models on disk; default where they were not asked for, or did not come.</param>
internal sealed record ProbeResult(
    Instance Instance,
    long AskedAt,
    string? Error,
    bool Refused,
    string? Version,
    ImmutableArray<LoadedModel> Loaded,
    ImmutableArray<CatalogModel> Catalog)
{
    /// <summary>What the bridge of another region says of itself; null for a server of this region.</summary>
    public RegionReport? Region { get; init; }

    /// <summary>Slots in use there when it was asked.</summary>
    public int SlotsUsed { get; init; }

    /// <summary>Whether it answers, but is not what it is configured to be.</summary>
    public bool IsMistaken { get; init; }

    /// <summary>Why the models on disk did not come although they were asked for; null if they came, or were not asked for.</summary>
    public string? CatalogError { get; init; }

    /// <summary>The list of models, if it takes longer than the look; else null.</summary>
    public Task<CatalogResult>? LateCatalog { get; init; }

    /// <summary>What the server cannot do that one of its kind can.</summary>
    public ImmutableArray<string> Remarks { get; init; } = [];
}

/// <summary>A list of models that was read.</summary>
/// <param name="Instance">Whose.</param>
/// <param name="AskedAt">When it was asked for, in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</param>
/// <param name="Catalog">The models; default if there is an error.</param>
/// <param name="Error">Why there is none; null if there is.</param>
/// <param name="Took">How long it took.</param>
internal sealed record CatalogResult(Instance Instance, long AskedAt, ImmutableArray<CatalogModel> Catalog, string? Error, TimeSpan Took);

/// <summary>Asks an instance how it is, by its kind: <see cref="OllamaLook"/>, <see cref="OpenAILook"/>, another region's bridge for its room as well.</summary>
internal sealed class InstanceProbe(HttpMessageInvoker client, TimeProvider time)
{
    /// <summary>The key of the client that looks are made with: its connections don't outlive a look for long.</summary>
    public const string ClientKey = "probe";

    /// <summary>Looks at one instance. Never throws but for <paramref name="cancellationToken"/>.</summary>
    /// <param name="instance">The instance.</param>
    /// <param name="withCatalog">Whether to read the models on disk, too.</param>
    /// <param name="timeout">How long the whole look may take.</param>
    /// <param name="cancellationToken">Ends the look.</param>
    /// <param name="catalogTimeout">How long the list of models may take: longer than the look, it comes late. Null for as long as the look.</param>
    public async Task<ProbeResult> LookAsync(
        Instance instance, bool withCatalog, TimeSpan timeout, CancellationToken cancellationToken, TimeSpan? catalogTimeout = null)
    {
        var askedAt = time.GetTimestamp();
        // A trace for each look, of each instance every other second, would bury those of requests.
        using var untraced = SuppressInstrumentationScope.Begin();
        using var limit = new LinkedTimeout(timeout, time, cancellationToken);
        Task<ProbeAnswer> GetAsync(string path) => AskAsync(instance, path, limit.Token);
        try
        {
            Task<CatalogResult>? ReadCatalog() => withCatalog ? ReadCatalogAsync(instance, askedAt, catalogTimeout ?? timeout, cancellationToken) : null;
            ProbeResult result;
            Task<CatalogResult>? catalog;
            if (instance.OpenAI is { } service)
            {
                await OpenAILook.LookAsync(service, GetAsync);
                catalog = ReadCatalog();
                result = new ProbeResult(instance, askedAt, Error: null, Refused: false, Version: null, Loaded: [], Catalog: default);
            }
            else
            {
                var used = instance.SlotsUsed;
                var region = instance.IsPeer ? await AskRegionAsync(instance, limit.Token) : null;
                if (region?.Mistake(instance.Name, instance.Peer!.Self) is { } mistake)
                    return new ProbeResult(instance, askedAt, mistake, Refused: false, null, [], default) { IsMistaken = true };
                var version = await OllamaLook.ReadVersionAsync(GetAsync);
                // Beside the list of models in memory, which takes as long as the look if a model is being loaded.
                catalog = ReadCatalog();
                var health = await OllamaLook.ReadMemoryAsync(GetAsync, version);
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

    /// <summary>Adds the list of models, or what came in its place when the time of the look was over.</summary>
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
            return result with { CatalogError = $"its list of models has not come yet: {NoAnswer(timeout)}", LateCatalog = reading };
        }
    }

    /// <summary>Reads the list of models. Never throws but for <paramref name="cancellationToken"/>.</summary>
    private async Task<CatalogResult> ReadCatalogAsync(Instance instance, long askedAt, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var limit = new LinkedTimeout(timeout, time, cancellationToken);
        Task<ProbeAnswer> GetAsync(string path) => AskAsync(instance, path, limit.Token);
        try
        {
            var catalog = instance.OpenAI is { } service ? await OpenAILook.ReadCatalogAsync(service, GetAsync) : await OllamaLook.ReadCatalogAsync(GetAsync);
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

    private async Task<RegionReport> AskRegionAsync(Instance instance, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(instance, PeerBridge.Path, cancellationToken);
        if (!response.IsSuccessStatusCode)
            throw new HttpRequestException($"{PeerBridge.Path} answered {(int)response.StatusCode}");
        return await response.Content.ReadFromJsonAsync(RegionJson.Default.RegionReport, cancellationToken)
            ?? throw new JsonException($"{PeerBridge.Path} says nothing");
    }

    private async Task<ProbeAnswer> AskAsync(Instance instance, string path, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(instance, path, cancellationToken);
        return new ProbeAnswer(response.StatusCode, await response.Content.ReadAsByteArrayAsync(cancellationToken), Origin(response.Headers.Location));
    }

    /// <summary>Where a redirect leads to, without what may be secret in it.</summary>
    private static string? Origin(Uri? location) =>
        location is null ? null : location.IsAbsoluteUri ? location.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped) : "another path";

    private async Task<HttpResponseMessage> SendAsync(Instance instance, string path, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, instance.Prefix + path);
        instance.Authorize(request);
        return await client.SendAsync(request, cancellationToken);
    }
}
