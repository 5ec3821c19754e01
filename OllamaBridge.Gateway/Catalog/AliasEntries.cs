using System.Buffers;
using System.Text.Json;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Catalog;

/// <summary>Adds entries for aliases to the fleet's model lists. Each repeats its model's entry under the alias's name, as <c>ollama cp</c> does.</summary>
internal static class AliasEntries
{
    /// <summary>Adds an entry for each alias. An alias hides a model of the same name, because requests for that name go to the alias's model.</summary>
    /// <param name="catalog">The models of Ollama servers, by canonical name.</param>
    /// <param name="served">The models of OpenAI servers, by id.</param>
    public static void Add(
        IReadOnlyList<ModelChain> aliases, Dictionary<string, CatalogModel> catalog, IDictionary<string, CatalogModel> served)
    {
        if (aliases.Count == 0)
            return;
        // Resolved before any alias is added: an alias never refers to another alias.
        var onOllama = aliases.Select(a => a.Candidates.Select(c => catalog.GetValueOrDefault(c.Key)).FirstOrDefault(m => m is not null)).ToArray();
        var elsewhere = aliases.Select(
            a => a.Candidates.Select(c => served.TryGetValue(c.Name, out var m) ? m : null).FirstOrDefault(m => m is not null)).ToArray();
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
