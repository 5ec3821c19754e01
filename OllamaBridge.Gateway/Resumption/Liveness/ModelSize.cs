using System.Text.Json;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Resumption.Liveness;

internal static class ModelSize
{
    /// <summary>In bytes; 0 if unknown.</summary>
    public static long Of(InstanceView? view, string modelKey)
    {
        if (view is null || view.Catalog.IsDefault)
            return 0;
        foreach (var model in view.Catalog)
            if (model.Key == modelKey)
                return Read(model.Json);
        return 0;
    }

    private static long Read(ReadOnlyMemory<byte> json)
    {
        if (json.IsEmpty)
            return 0;
        using var document = JsonDocument.Parse(json);
        return document.RootElement.TryGetProperty("size", out var size) && size.ValueKind == JsonValueKind.Number && size.TryGetInt64(out var bytes) ? bytes : 0;
    }
}
