using System.Collections.Immutable;
using System.Text.Json;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Probes a server with only OpenAI's API. Never sends a request to a path under <c>/api</c>.</summary>
internal static class OpenAIProbe
{
    public const string HealthPath = "/health";

    public const string ModelsPath = "/v1/models";

    /// <exception cref="HttpRequestException">No response, or an error response.</exception>
    public static async Task ProbeAsync(OpenAIService service, Func<string, Task<ProbeAnswer>> get)
    {
        var path = service.HealthPath ?? HealthPath;
        var health = await get(path);
        // The default health route may be missing or forbidden. A response that reports the server as not ready counts, though.
        if (health.IsSuccess || service.HealthPath is not null || (int)health.Status is >= 500 and not 501 or < 400)
        {
            health.Require(path);
            return;
        }

        var models = await get(ModelsPath);
        // Providers' endpoints often have neither route: with configured models, any response shows that the server is up.
        if (models.IsMissing && !service.Models.IsEmpty)
            return;
        RequireList(models);
    }

    /// <summary>The configured models, else the server's model list.</summary>
    /// <exception cref="HttpRequestException">The server does not list its models.</exception>
    /// <exception cref="JsonException">The response is no model list.</exception>
    public static async Task<ImmutableArray<CatalogModel>> ReadCatalogAsync(OpenAIService service, Func<string, Task<ProbeAnswer>> get)
    {
        if (!service.Models.IsEmpty)
            return Configured(service);
        var answer = await get(ModelsPath);
        RequireList(answer);
        return Read(answer.Body);
    }

    public static ImmutableArray<CatalogModel> Configured(Instance instance) => instance.OpenAI is { } service ? Configured(service) : [];

    public static ImmutableArray<LoadedModel> Loaded(ImmutableArray<CatalogModel> catalog) =>
        [.. catalog.Select(m => new LoadedModel(m.Key, m.Name, DateTimeOffset.MaxValue, ReadOnlyMemory<byte>.Empty))];

    /// <summary>Reads a model list: <c>data[].id</c>, with optional <c>created</c> and <c>owned_by</c>.</summary>
    /// <exception cref="JsonException">The body is no model list.</exception>
    public static ImmutableArray<CatalogModel> Read(ReadOnlyMemory<byte> body)
    {
        using var document = JsonDocument.Parse(body);
        if (document.RootElement.ValueKind != JsonValueKind.Object
            || !document.RootElement.TryGetProperty("data", out var list) || list.ValueKind != JsonValueKind.Array)
            throw new JsonException($"{ModelsPath} has no list of models");
        var models = ImmutableArray.CreateBuilder<CatalogModel>(list.GetArrayLength());
        foreach (var json in list.EnumerateArray())
        {
            if (json.ValueKind != JsonValueKind.Object || !json.TryGetProperty("id", out var text) || JsonValues.Text(text) is not { } id || !ModelName.IsId(id)
                || models.Any(m => m.Name == id))
                continue;
            models.Add(Model(id, Created(json), json.TryGetProperty("owned_by", out var owner) ? JsonValues.Text(owner) : null));
        }

        return models.ToImmutable();
    }

    private static ImmutableArray<CatalogModel> Configured(OpenAIService service) =>
        [.. service.Models.Select(id => Model(id, DateTimeOffset.UnixEpoch, null))];

    private static CatalogModel Model(string id, DateTimeOffset created, string? owner) =>
        new(ModelName.KeyOf(id), id, created, ReadOnlyMemory<byte>.Empty, owner);

    private static DateTimeOffset Created(JsonElement json) =>
        json.TryGetProperty("created", out var created) && created.ValueKind == JsonValueKind.Number && created.TryGetInt64(out var seconds)
        && seconds is >= 0 and <= 253_402_300_799 // the last second of the year 9999
            ? DateTimeOffset.FromUnixTimeSeconds(seconds)
            : DateTimeOffset.UnixEpoch;

    private static void RequireList(in ProbeAnswer answer)
    {
        if (answer.IsMissing)
            throw new HttpRequestException(
                $"{ModelsPath} responded with {(int)answer.Status}: give the address without /v1, or name the server's models (Models)");
        answer.Require(ModelsPath);
    }
}
