using System.Collections.Immutable;
using System.Text.Json;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>The result of probing an Ollama server. <c>Loaded</c> is default if the server does not report the models in memory, or not in time.</summary>
internal sealed record OllamaHealth(string? Version, ImmutableArray<LoadedModel> Loaded, ImmutableArray<string> Remarks);

/// <summary>Probes a server with Ollama's API: <c>/api/version</c>, <c>/api/ps</c> and <c>/api/tags</c>. Old servers lack some of them.</summary>
/// <remarks>It must report a version or a list of models: some servers of other kinds respond 200 on every path.</remarks>
internal static class OllamaProbe
{
    public const string VersionPath = "/api/version";

    public const string RunningPath = "/api/ps";

    public const string TagsPath = "/api/tags";

    /// <exception cref="HttpRequestException">An error response, or not an Ollama server.</exception>
    public static async Task<OllamaHealth> ProbeAsync(Func<string, Task<ProbeAnswer>> get) => await ReadMemoryAsync(get, await ReadVersionAsync(get));

    /// <returns>Null if the server reports models, but no version.</returns>
    /// <exception cref="HttpRequestException">An error response, or not an Ollama server.</exception>
    public static async Task<string?> ReadVersionAsync(Func<string, Task<ProbeAnswer>> get)
    {
        var answer = await get(VersionPath);
        var version = answer.IsSuccess && answer.ReadObject() is { } json && json.TryGetProperty("version", out var value) ? JsonValues.Text(value) : null;
        if (version is not null)
            return version;
        if (!answer.IsSuccess && !answer.IsMissing)
            answer.Require(VersionPath);
        var tags = await get(TagsPath);
        if (tags.IsSuccess && List(tags) is not null)
            return null;
        throw new HttpRequestException(
            $"this is no Ollama server: {VersionPath} responded with {(int)answer.Status} without a version, {TagsPath} {(int)tags.Status} without models; if it speaks OpenAI's API, set Kind to OpenAI");
    }

    /// <param name="get">Sends a GET request to a path; throws <see cref="OperationCanceledException"/> after the probe's timeout.</param>
    /// <remarks>Ollama since July 2026 responds only after a load (<c>loadedModels</c> in <c>server/sched.go</c>): the previous list remains valid.</remarks>
    /// <exception cref="HttpRequestException">An error response.</exception>
    public static async Task<OllamaHealth> ReadMemoryAsync(Func<string, Task<ProbeAnswer>> get, string? version)
    {
        var remarks = ImmutableArray.CreateBuilder<string>();
        if (version is null)
            remarks.Add($"it has no {VersionPath}");
        ImmutableArray<LoadedModel> loaded = default;
        try
        {
            loaded = await ReadLoadedAsync(get);
            if (loaded.IsDefault)
                remarks.Add($"it has no {RunningPath}: the models in its memory are estimated from its requests");
        }
        catch (OperationCanceledException)
        {
            remarks.Add($"{RunningPath} does not respond, probably because a model is being loaded: the previous list is used");
        }

        return new OllamaHealth(version, loaded, remarks.ToImmutable());
    }

    /// <exception cref="HttpRequestException">The response has no model list.</exception>
    public static async Task<ImmutableArray<CatalogModel>> ReadCatalogAsync(Func<string, Task<ProbeAnswer>> get)
    {
        var answer = await get(TagsPath);
        answer.Require(TagsPath);
        return List(answer) is { } list
            ? Models(list, (key, name, json) => new CatalogModel(key, name, ReadTime(json, "modified_at"), Raw(json))
            {
                Digest = ReadDigest(json),
                Size = ReadSize(json, "size"),
                IsRemote = json.TryGetProperty("remote_host", out var remote) && remote.ValueKind == JsonValueKind.String && JsonValues.Text(remote) is not "",
            })
            : throw new HttpRequestException($"{TagsPath} responded without a list of models");
    }

    private static async Task<ImmutableArray<LoadedModel>> ReadLoadedAsync(Func<string, Task<ProbeAnswer>> get)
    {
        var answer = await get(RunningPath);
        if (!answer.IsSuccess && !answer.IsMissing)
            answer.Require(RunningPath);
        return !answer.IsSuccess || List(answer) is not { } list ? default : Models(list, (key, name, json) => new LoadedModel(key, name, ReadTime(json, "expires_at"), Raw(json))
        {
            Size = ReadSize(json, "size"),
            SizeInVram = ReadSize(json, "size_vram"),
        });
    }

    /// <summary>The model list in a response; null if there is none. A server without models may write null.</summary>
    private static JsonElement? List(in ProbeAnswer answer)
    {
        if (answer.ReadObject() is not { } json || !json.TryGetProperty("models", out var list))
            return null;
        if (list.ValueKind == JsonValueKind.Null)
            return list;
        return list.ValueKind == JsonValueKind.Array && (list.GetArrayLength() == 0 || list.EnumerateArray().Any(m => Name(m) is not null)) ? list : null;
    }

    private static ImmutableArray<T> Models<T>(JsonElement list, Func<string, string, JsonElement, T> read)
    {
        if (list.ValueKind == JsonValueKind.Null)
            return [];
        var models = ImmutableArray.CreateBuilder<T>(list.GetArrayLength());
        var seen = new HashSet<string>();
        foreach (var json in list.EnumerateArray())
            if (Name(json) is { } name && ModelName.IsId(name) && ModelName.KeyOf(name) is var key && seen.Add(key))
                models.Add(read(key, name, json));
        return models.ToImmutable();
    }

    private static string? Name(JsonElement json) =>
        json.ValueKind != JsonValueKind.Object ? null
        : (json.TryGetProperty("name", out var name) ? JsonValues.Text(name) : null) ?? (json.TryGetProperty("model", out name) ? JsonValues.Text(name) : null);

    private static DateTimeOffset ReadTime(JsonElement json, string property) =>
        json.TryGetProperty(property, out var value) && value.ValueKind == JsonValueKind.String && value.TryGetDateTimeOffset(out var time)
            ? time
            : default;

    private static string? ReadDigest(JsonElement json) =>
        json.TryGetProperty("digest", out var value) && JsonValues.Text(value) is { } text ? ModelDigests.Normalize(text) : null;

    private static long? ReadSize(JsonElement json, string property) =>
        json.TryGetProperty(property, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var size) ? size : null;

    private static byte[] Raw(JsonElement json) => System.Runtime.InteropServices.JsonMarshal.GetRawUtf8Value(json).ToArray();
}
