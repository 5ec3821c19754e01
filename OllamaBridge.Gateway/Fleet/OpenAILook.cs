using System.Collections.Immutable;
using System.Net;
using System.Text.Json;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>How a server that speaks only OpenAI's API is looked at: its health route, and <c>/v1/models</c> where its models are not configured.</summary>
/// <remarks>Nothing under <c>/api</c> is ever asked of it.</remarks>
internal static class OpenAILook
{
    /// <summary>What vLLM, llama-server and SGLang call it.</summary>
    public const string HealthPath = "/health";

    /// <summary>Where the models are listed.</summary>
    public const string ModelsPath = "/v1/models";

    /// <summary>Looks.</summary>
    /// <param name="service">What is configured.</param>
    /// <param name="withCatalog">Whether to read the models, too.</param>
    /// <param name="get">Asks for a path and hands over status and body.</param>
    /// <returns>The models; default where they were not asked for.</returns>
    /// <exception cref="HttpRequestException">It does not answer, or not well.</exception>
    public static async Task<ImmutableArray<CatalogModel>> LookAsync(
        OpenAIService service, bool withCatalog, Func<string, Task<(HttpStatusCode Status, ReadOnlyMemory<byte> Body)>> get)
    {
        var path = service.HealthPath ?? HealthPath;
        var (status, _) = await get(path);
        var hasNoHealth = service.HealthPath is null && status is HttpStatusCode.NotFound or HttpStatusCode.MethodNotAllowed;
        if (!hasNoHealth)
            Require(path, status);
        if (!hasNoHealth && (!withCatalog || !service.Models.IsEmpty))
            return withCatalog ? Configured(service) : default;
        (status, var body) = await get(ModelsPath);
        Require(ModelsPath, status);
        return !withCatalog ? default : service.Models.IsEmpty ? Read(body) : Configured(service);
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
            if (json.ValueKind != JsonValueKind.Object || !json.TryGetProperty("id", out var text) || text.ValueKind != JsonValueKind.String
                || text.GetString() is not { } id || !ModelName.IsId(id) || models.Any(m => m.Name == id))
                continue;
            models.Add(Model(id, Created(json), json.TryGetProperty("owned_by", out var owner) && owner.ValueKind == JsonValueKind.String ? owner.GetString() : null));
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

    private static void Require(string path, HttpStatusCode status)
    {
        if ((int)status is < 200 or >= 300)
            throw new HttpRequestException($"{path} answered {(int)status}");
    }
}
