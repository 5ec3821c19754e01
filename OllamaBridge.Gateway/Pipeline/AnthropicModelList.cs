using System.Buffers;
using System.Globalization;
using System.Text.Json;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Writes the fleet's models in Anthropic's format: <c>GET /v1/models</c> with pages, and <c>GET /v1/models/{model}</c>.</summary>
internal static class AnthropicModelList
{
    // The maximum page size of Anthropic's API. Its default of 20 would hide models from a client that does not follow pages.
    private const int MaxPage = 1000;

    public static Task WriteAsync(HttpContext context, Operation operation, string rest, Inventory inventory)
    {
        var models = inventory.Models.Values.ToArray();
        if (operation == AnthropicModels.Model)
        {
            var id = Uri.UnescapeDataString(rest);
            return Find(models, id) is { } model
                ? WriteAsync(context, Write(json => WriteModel(json, model, id)))
                : ProtocolError.WriteAsync(context, Protocol.Anthropic, StatusCodes.Status404NotFound, $"model: {id}");
        }

        return Page.Read(context.Request.Query, models, out var mistake) is { } page
            ? WriteAsync(context, Write(json => WritePage(json, page)))
            : ProtocolError.WriteAsync(context, Protocol.Anthropic, StatusCodes.Status400BadRequest, mistake!);
    }

    private static Task WriteAsync(HttpContext context, byte[] body) => RouterResponse.WriteAsync(context, body, "application/json");

    private static CatalogModel? Find(CatalogModel[] models, string id)
    {
        var key = ModelName.KeyOf(id);
        return Array.Find(models, m => m.Name == id) ?? Array.Find(models, m => m.Key == key);
    }

    private static void WritePage(Utf8JsonWriter json, Page page)
    {
        json.WriteStartObject();
        json.WriteStartArray("data"u8);
        foreach (var model in page.Models)
            WriteModel(json, model, model.Name);
        json.WriteEndArray();
        json.WriteBoolean("has_more"u8, page.HasMore);
        json.WriteString("first_id"u8, page.Models.Length > 0 ? page.Models[0].Name : null);
        json.WriteString("last_id"u8, page.Models.Length > 0 ? page.Models[^1].Name : null);
        json.WriteEndObject();
    }

    private static void WriteModel(Utf8JsonWriter json, CatalogModel model, string id)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "model"u8);
        json.WriteString("id"u8, id);
        json.WriteString("display_name"u8, model.Name);
        json.WriteString("created_at"u8, model.ModifiedAt.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
        json.WriteEndObject();
    }

    private static byte[] Write(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
            write(json);
        return buffer.WrittenSpan.ToArray();
    }

    private sealed record Page(CatalogModel[] Models, bool HasMore)
    {
        /// <summary>Reads <c>limit</c>, <c>after_id</c> and <c>before_id</c>; null if the query is invalid.</summary>
        public static Page? Read(IQueryCollection query, CatalogModel[] models, out string? mistake)
        {
            mistake = null;
            var limit = MaxPage;
            if (query.TryGetValue("limit", out var text)
                && (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out limit) || limit is < 1 or > MaxPage))
                mistake = $"limit: must be a whole number from 1 to {MaxPage}";
            var (from, to) = (0, models.Length);
            if (query.TryGetValue("after_id", out var after))
                from = Array.FindIndex(models, m => m.Name == after) + 1;
            if (query.TryGetValue("before_id", out var before))
                to = Array.FindIndex(models, m => m.Name == before);
            if ((after.Count > 0 && from == 0) || to < 0)
                mistake = "after_id, before_id: no such model in the list";
            if (mistake is not null)
                return null;
            // With before_id, the page consists of the last models before that id.
            if (before.Count > 0)
                return new Page(models[Math.Max(from, to - limit)..Math.Max(from, to)], to - limit > from);
            return new Page(models[from..Math.Min(to, from + limit)], from + limit < to);
        }
    }
}
