using System.Collections.Immutable;
using System.Text.Json;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>How a server that speaks only OpenAI's API is looked at: its health route, and <c>/v1/models</c> where its models are not configured.</summary>
/// <remarks>Nothing under <c>/api</c> is ever asked of it.</remarks>
internal static class OpenAILook
{
    /// <summary>What vLLM, llama-server and SGLang call it.</summary>
    public const string HealthPath = "/health";

    /// <summary>Where the models are listed.</summary>
    public const string ModelsPath = "/v1/models";

    /// <summary>Looks at the server's health.</summary>
    /// <param name="service">What is configured.</param>
    /// <param name="get">Asks for a path.</param>
    /// <exception cref="HttpRequestException">It does not answer, or not well.</exception>
    public static async Task LookAsync(OpenAIService service, Func<string, Task<ProbeAnswer>> get)
    {
        var path = service.HealthPath ?? HealthPath;
        var health = await get(path);
        // A route that is not configured need not be there, nor be for the bridge; but one that says that the server is not ready is believed.
        if (health.IsSuccess || service.HealthPath is not null || (int)health.Status is >= 500 and not 501 or < 400)
        {
            health.Require(path);
            return;
        }

        var models = await get(ModelsPath);
        // Endpoints of a provider often have neither route: with its models configured, any answer of theirs shows that they are there.
        if (models.IsMissing && !service.Models.IsEmpty)
            return;
        RequireList(models);
    }

    /// <summary>The models: those that are configured, else those that the server lists.</summary>
    /// <exception cref="HttpRequestException">It does not list them.</exception>
    /// <exception cref="JsonException">What it answers is no list.</exception>
    public static async Task<ImmutableArray<CatalogModel>> ReadCatalogAsync(OpenAIService service, Func<string, Task<ProbeAnswer>> get)
    {
        if (!service.Models.IsEmpty)
            return Configured(service);
        var answer = await get(ModelsPath);
        RequireList(answer);
        return Read(answer.Body);
    }

    /// <summary>The models that are configured; none where the server is asked for them.</summary>
    public static ImmutableArray<CatalogModel> Configured(Instance instance) => instance.OpenAI is { } service ? Configured(service) : [];

    /// <summary>What it serves is in its memory.</summary>
    public static ImmutableArray<LoadedModel> Loaded(ImmutableArray<CatalogModel> catalog) =>
        [.. catalog.Select(m => new LoadedModel(m.Key, m.Name, DateTimeOffset.MaxValue, ReadOnlyMemory<byte>.Empty))];

    /// <summary>Reads a list of models: <c>data[].id</c>, with <c>created</c> and <c>owned_by</c> where they are there.</summary>
    /// <exception cref="JsonException">It is none.</exception>
    public static ImmutableArray<CatalogModel> Read(ReadOnlyMemory<byte> body)
    {
        using var document = JsonDocument.Parse(body);
        if (document.RootElement.ValueKind != JsonValueKind.Object
            || !document.RootElement.TryGetProperty("data", out var list) || list.ValueKind != JsonValueKind.Array)
            throw new JsonException($"{ModelsPath} has no list of models");
        var models = ImmutableArray.CreateBuilder<CatalogModel>(list.GetArrayLength());
        foreach (var json in list.EnumerateArray())
        {
            if (json.ValueKind != JsonValueKind.Object || !json.TryGetProperty("id", out var text) || JsonValues.Text(text) is not { } id || !ModelName.IsId(id) || models.Any(m => m.Name == id))
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
                $"{ModelsPath} answered {(int)answer.Status}: give the address without /v1, or name the server's models (Models)");
        answer.Require(ModelsPath);
    }
}
