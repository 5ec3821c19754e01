using System.Buffers;
using System.Collections.Immutable;
using System.Text.Json;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Catalog;

/// <summary>The fleet's lists as response bodies, written once for each snapshot. Models that only OpenAI's API can use are in <paramref name="OpenAIModels"/>
/// alone. <paramref name="Version"/> is empty until an instance has reported its version.</summary>
internal sealed record Inventory(
    ReadOnlyMemory<byte> Tags,
    ReadOnlyMemory<byte> OpenAIModels,
    ReadOnlyMemory<byte> Running,
    ReadOnlyMemory<byte> Version)
{
    /// <summary>Writes the lists of a snapshot. <paramref name="include"/> selects models by canonical name; null for all.</summary>
    public static Inventory Of(FleetSnapshot snapshot, Func<string, bool>? include = null, IReadOnlyList<ModelChain>? aliases = null, bool isAwake = false) =>
        Build(snapshot.Instances, include, aliases, isAwake ? [] : snapshot.Cold, snapshot.ServedDigests);

    /// <summary>Merges the lists of all instances. An entry has the bytes of one instance, so fields of any version pass through.</summary>
    /// <param name="digests">The served digests of the names that have several; null for none.</param>
    public static Inventory Build(
        ImmutableArray<InstanceView> instances,
        Func<string, bool>? include = null,
        IReadOnlyList<ModelChain>? aliases = null,
        ImmutableArray<ColdModel> cold = default,
        IReadOnlyDictionary<string, string>? digests = null)
    {
        var catalog = new Dictionary<string, CatalogModel>();
        var running = new Dictionary<string, LoadedModel>();
        var served = new SortedDictionary<string, CatalogModel>(StringComparer.Ordinal);
        // Other regions last: this region's entry of a model is preferred.
        foreach (var instance in instances.Any(i => i.Instance.IsPeer) ? instances.OrderBy(i => i.Instance.IsPeer) : instances.AsEnumerable())
        {
            var isAway = instance.Instance.IsPeer;
            if (instance.Instance.OpenAI is not null)
            {
                foreach (var model in instance.Catalog)
                    if (include is null || include(model.Key))
                        served.TryAdd(model.Name, model);
                continue;
            }

            foreach (var model in instance.Catalog)
                if ((include is null || include(model.Key)) && IsServed(model, digests)
                    && (!catalog.TryGetValue(model.Key, out var known) || (!isAway && model.ModifiedAt > known.ModifiedAt)))
                    catalog[model.Key] = model;
            if (instance.Status != InstanceStatus.Healthy)
                continue;
            foreach (var model in instance.Loaded)
                if ((include is null || include(model.Key))
                    && (!running.TryGetValue(model.Key, out var known) || (!isAway && model.ExpiresAt > known.ExpiresAt)))
                    running[model.Key] = model;
        }

        foreach (var (_, model) in cold.IsDefault ? [] : cold)
            if ((include is null || include(model.Key)) && !catalog.ContainsKey(model.Key))
                if (model.Json.IsEmpty)
                    served.TryAdd(model.Name, model);
                else
                    catalog[model.Key] = model;
        AliasEntries.Add(aliases ?? [], catalog, served);

        // Newest first by whole seconds, as a server lists them; equal seconds keep the instances' order (the sort is stable).
        var models = catalog.Values.OrderByDescending(m => m.ModifiedAt.ToUnixTimeSeconds()).ToArray();
        CatalogModel[] openAI = [.. models, .. served.Values.ExceptBy(models.Select(m => m.Name), s => s.Name)];
        return new Inventory(
            WriteModels(models.Select(m => m.Json)),
            WriteOpenAI(openAI),
            WriteModels(running.Values.OrderByDescending(m => m.ExpiresAt).ThenBy(m => m.Key, StringComparer.Ordinal).Select(m => m.Json)),
            WriteVersion(instances))
        {
            Models = openAI.ToDictionary(m => m.Name, StringComparer.Ordinal),
        };
    }

    public required IReadOnlyDictionary<string, CatalogModel> Models { get; init; }

    /// <summary>One entry of <see cref="OpenAIModels"/>, as the body of <c>/v1/models/{model}</c>.</summary>
    public static byte[] WriteOpenAI(CatalogModel model, string id) => [.. Write(json => WriteOpenAI(json, model, id)), (byte)'\n'];

    private static bool IsServed(CatalogModel model, IReadOnlyDictionary<string, string>? digests) =>
        digests is null || !digests.TryGetValue(model.Key, out var served) || model.Digest is null || model.Digest == served;

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
                WriteOpenAI(json, model, model.Name);
            json.WriteEndArray();
            json.WriteEndObject();
        }),
        (byte)'\n', // as in the server's OpenAI responses
    ];

    private static void WriteOpenAI(Utf8JsonWriter json, CatalogModel model, string id)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, id);
        json.WriteString("object"u8, "model"u8);
        json.WriteNumber("created"u8, model.ModifiedAt.ToUnixTimeSeconds());
        json.WriteString("owned_by"u8, model.Owner ?? ModelName.Owner(model.Name));
        json.WriteEndObject();
    }

    /// <summary>Writes the oldest version of the healthy instances: a client that checks for a feature must find it on every instance.</summary>
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
