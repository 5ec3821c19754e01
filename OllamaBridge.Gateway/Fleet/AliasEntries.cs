using System.Buffers;
using System.Text.Json;
using OllamaBridge.Gateway.Naming;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Aliases in the fleet's lists: entries of the models that they stand for under another name, as <c>ollama cp</c> makes them.</summary>
internal static class AliasEntries
{
    /// <summary>Adds them. A model of an alias's name is hidden by it, as it cannot be asked any more.</summary>
    /// <param name="aliases">The aliases.</param>
    /// <param name="catalog">What Ollama servers have, by canonical name.</param>
    /// <param name="served">What OpenAI servers have, by id.</param>
    public static void Add(
        IReadOnlyList<ModelChain> aliases, Dictionary<string, CatalogModel> catalog, IDictionary<string, CatalogModel> served)
    {
        if (aliases.Count == 0)
            return;
        // Of what there is before any alias: none stands for another.
        var onOllama = aliases.Select(a => a.Candidates.Select(c => catalog.GetValueOrDefault(c.Key)).FirstOrDefault(m => m is not null)).ToArray();
        var elsewhere = aliases.Select(a => a.Candidates.Select(c => served.TryGetValue(c.Name, out var m) ? m : null).FirstOrDefault(m => m is not null)).ToArray();
        foreach (var alias in aliases)
        {
            catalog.Remove(alias.Key);
            foreach (var id in served.Where(s => s.Value.Key == alias.Key).Select(s => s.Key).ToArray())
                served.Remove(id);
        }

        for (var i = 0; i < aliases.Count; i++)
            if (onOllama[i] is { } model)
                catalog[aliases[i].Key] = Rename(model, aliases[i].Key, ModelName.WithTag(aliases[i].Name));
            else if (elsewhere[i] is { } other)
                served[aliases[i].Name] = other with { Key = aliases[i].Key, Name = aliases[i].Name };
    }

    private static CatalogModel Rename(CatalogModel model, string key, string name)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var document = JsonDocument.Parse(model.Json))
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            foreach (var property in document.RootElement.EnumerateObject())
                if (property.NameEquals("name"u8) || property.NameEquals("model"u8))
                    json.WriteString(property.Name, name);
                else
                    property.WriteTo(json);
            json.WriteEndObject();
        }

        return model with { Key = key, Name = name, Json = buffer.WrittenMemory };
    }
}
