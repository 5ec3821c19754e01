using System.Buffers;
using System.Collections.Immutable;
using System.Text.Json;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>The fleet's lists in the server's own shape, written once for each snapshot.</summary>
/// <param name="Tags">Body of <c>/api/tags</c>.</param>
/// <param name="OpenAIModels">Body of <c>/v1/models</c>.</param>
/// <param name="Running">Body of <c>/api/ps</c>.</param>
/// <param name="Version">Body of <c>/api/version</c>; empty while no instance has told its version.</param>
internal sealed record Inventory(
    ReadOnlyMemory<byte> Tags,
    ReadOnlyMemory<byte> OpenAIModels,
    ReadOnlyMemory<byte> Running,
    ReadOnlyMemory<byte> Version)
{
    /// <summary>Unites what the instances have. An entry is the bytes of one of them, so fields of any version pass through.</summary>
    /// <param name="instances">The instances.</param>
    /// <param name="include">Which models, by canonical name; null for all.</param>
    public static Inventory Build(ImmutableArray<InstanceView> instances, Func<string, bool>? include = null)
    {
        var catalog = new Dictionary<string, CatalogModel>();
        var running = new Dictionary<string, LoadedModel>();
        foreach (var instance in instances)
        {
            foreach (var model in instance.Catalog)
                if ((include is null || include(model.Key)) && (!catalog.TryGetValue(model.Key, out var known) || model.ModifiedAt > known.ModifiedAt))
                    catalog[model.Key] = model;
            if (instance.Status != InstanceStatus.Healthy)
                continue;
            foreach (var model in instance.Loaded)
                if ((include is null || include(model.Key)) && (!running.TryGetValue(model.Key, out var known) || model.ExpiresAt > known.ExpiresAt))
                    running[model.Key] = model;
        }

        // Newest first by the second, as a server lists them; within one, as the instances do (the sort is stable).
        var models = catalog.Values.OrderByDescending(m => m.ModifiedAt.ToUnixTimeSeconds()).ToArray();
        return new Inventory(
            WriteModels(models.Select(m => m.Json)),
            WriteOpenAI(models),
            WriteModels(running.Values.OrderByDescending(m => m.ExpiresAt).ThenBy(m => m.Key, StringComparer.Ordinal).Select(m => m.Json)),
            WriteVersion(instances));
    }

    private static byte[] WriteModels(IEnumerable<ReadOnlyMemory<byte>> entries) => Write(json =>
    {
        json.WriteStartObject();
        json.WriteStartArray("models"u8);
        foreach (var entry in entries)
            json.WriteRawValue(entry.Span, skipInputValidation: true);
        json.WriteEndArray();
        json.WriteEndObject();
    });

    private static byte[] WriteOpenAI(CatalogModel[] models) =>
    [
        .. Write(json =>
        {
            json.WriteStartObject();
            json.WriteString("object"u8, "list"u8);
            json.WriteStartArray("data"u8);
            foreach (var model in models)
            {
                json.WriteStartObject();
                json.WriteString("id"u8, model.Name);
                json.WriteString("object"u8, "model"u8);
                json.WriteNumber("created"u8, model.ModifiedAt.ToUnixTimeSeconds());
                json.WriteString("owned_by"u8, ModelName.Owner(model.Name));
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }),
        (byte)'\n', // the server's OpenAI answers end so
    ];

    /// <summary>The oldest version among the healthy: a client that checks for a feature must find it wherever it lands.</summary>
    private static byte[] WriteVersion(ImmutableArray<InstanceView> instances)
    {
        var version = instances
            .Where(i => i.Status == InstanceStatus.Healthy && i.Version is not null)
            .Select(i => i.Version!)
            .MinBy(v => System.Version.TryParse(v.Split('-')[0], out var parsed) ? parsed : new Version(0, 0));
        return version is null ? [] : Write(json =>
        {
            json.WriteStartObject();
            json.WriteString("version"u8, version);
            json.WriteEndObject();
        });
    }

    private static byte[] Write(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
            write(json);
        return buffer.WrittenSpan.ToArray();
    }
}
