using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using OllamaBridge.Gateway.Regions;
using OpenTelemetry;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>What one look at an instance found.</summary>
/// <param name="Instance">The instance.</param>
/// <param name="AskedAt">When, in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</param>
/// <param name="Error">Why it failed; null for an answer.</param>
/// <param name="Refused">Whether nobody listens there.</param>
/// <param name="Version">The server's version.</param>
/// <param name="Loaded">Models in memory.</param>
/// <param name="Catalog">Models on disk; default where they were not asked for.</param>
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
}

/// <summary>Asks an instance how it is: <c>/api/version</c>, <c>/api/ps</c> and, when due, <c>/api/tags</c>; one of another kind as <see cref="OpenAILook"/> says, another
/// region's bridge for its room as well.</summary>
internal sealed class InstanceProbe(HttpMessageInvoker client, TimeProvider time)
{
    /// <summary>Looks at one instance. Never throws but for <paramref name="cancellationToken"/>.</summary>
    /// <param name="instance">The instance.</param>
    /// <param name="withCatalog">Whether to read the models on disk, too.</param>
    /// <param name="timeout">How long the whole look may take.</param>
    /// <param name="cancellationToken">Ends the look.</param>
    public async Task<ProbeResult> LookAsync(Instance instance, bool withCatalog, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var askedAt = time.GetTimestamp();
        // A trace for each look, of each instance every other second, would bury those of requests.
        using var untraced = SuppressInstrumentationScope.Begin();
        using var deadline = new CancellationTokenSource(timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            if (instance.OpenAI is { } service)
            {
                var models = await OpenAILook.LookAsync(service, withCatalog, path => ReadAsync(instance, path, either.Token));
                return new ProbeResult(instance, askedAt, Error: null, Refused: false, Version: null, Loaded: [], models);
            }

            var used = instance.SlotsUsed;
            var region = instance.IsPeer ? await AskRegionAsync(instance, either.Token) : null;
            if (region?.Mistake(instance.Name, instance.Peer!.Self) is { } mistake)
                return new ProbeResult(instance, askedAt, mistake, Refused: false, null, [], default) { IsMistaken = true };
            using var version = await GetAsync(instance, "/api/version", either.Token);
            using var running = await GetAsync(instance, "/api/ps", either.Token);
            using var tags = withCatalog ? await GetAsync(instance, "/api/tags", either.Token) : null;
            return new ProbeResult(
                instance,
                askedAt,
                Error: null,
                Refused: false,
                version.RootElement.TryGetProperty("version", out var v) ? v.GetString() : null,
                ReadModels(running, (key, name, json) => new LoadedModel(key, name, ReadTime(json, "expires_at"), Raw(json))
                {
                    Size = ReadSize(json, "size"),
                    SizeInVram = ReadSize(json, "size_vram"),
                }),
                tags is null ? default
                    : ReadModels(tags, (key, name, json) => new CatalogModel(key, name, ReadTime(json, "modified_at"), Raw(json))
                    {
                        IsRemote = json.TryGetProperty("remote_host", out var remote) && remote.ValueKind == JsonValueKind.String && remote.GetString() is { Length: > 0 },
                    }))
            {
                Region = region,
                SlotsUsed = used,
            };
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested && IsExpected(e))
        {
            var refused = e is HttpRequestException { InnerException: SocketException { SocketErrorCode: SocketError.ConnectionRefused } };
            var reason = deadline.IsCancellationRequested ? $"no answer within {timeout.TotalSeconds:0.###} s" : e.Message;
            return new ProbeResult(instance, askedAt, reason, refused, null, [], default);
        }
    }

    private static bool IsExpected(Exception e) =>
        e is HttpRequestException or IOException or OperationCanceledException or JsonException or InvalidOperationException or FormatException;

    private async Task<JsonDocument> GetAsync(Instance instance, string path, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(instance, path, cancellationToken);
        if (!response.IsSuccessStatusCode)
            throw new HttpRequestException($"{path} answered {(int)response.StatusCode}");
        await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
        return await JsonDocument.ParseAsync(body, cancellationToken: cancellationToken);
    }

    private async Task<RegionReport> AskRegionAsync(Instance instance, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(instance, PeerBridge.Path, cancellationToken);
        if (!response.IsSuccessStatusCode)
            throw new HttpRequestException($"{PeerBridge.Path} answered {(int)response.StatusCode}");
        return await response.Content.ReadFromJsonAsync(RegionJson.Default.RegionReport, cancellationToken)
            ?? throw new JsonException($"{PeerBridge.Path} says nothing");
    }

    private async Task<(HttpStatusCode Status, ReadOnlyMemory<byte> Body)> ReadAsync(Instance instance, string path, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(instance, path, cancellationToken);
        return (response.StatusCode, await response.Content.ReadAsByteArrayAsync(cancellationToken));
    }

    private async Task<HttpResponseMessage> SendAsync(Instance instance, string path, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, instance.Prefix + path);
        instance.Authorize(request);
        return await client.SendAsync(request, cancellationToken);
    }

    private static ImmutableArray<T> ReadModels<T>(JsonDocument document, Func<string, string, JsonElement, T> read)
    {
        if (!document.RootElement.TryGetProperty("models", out var list) || list.ValueKind != JsonValueKind.Array)
            return [];
        var models = ImmutableArray.CreateBuilder<T>(list.GetArrayLength());
        var seen = new HashSet<string>();
        foreach (var json in list.EnumerateArray())
            if (json.TryGetProperty("name", out var n) && n.GetString() is { } name
                && ModelName.TryGetKey(name, out var key) && seen.Add(key))
                models.Add(read(key, name, json));
        return models.ToImmutable();
    }

    private static DateTimeOffset ReadTime(JsonElement json, string property) =>
        json.TryGetProperty(property, out var value) && value.ValueKind == JsonValueKind.String && value.TryGetDateTimeOffset(out var time)
            ? time
            : default;

    private static long? ReadSize(JsonElement json, string property) =>
        json.TryGetProperty(property, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var size) ? size : null;

    private static byte[] Raw(JsonElement json) => System.Runtime.InteropServices.JsonMarshal.GetRawUtf8Value(json).ToArray();
}
