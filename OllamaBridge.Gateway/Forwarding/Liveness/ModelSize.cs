using System.Text.Json;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Forwarding.Liveness;

/// <summary>Sizes of models on disk, as <c>/api/tags</c> tells them.</summary>
internal static class ModelSize
{
    /// <summary>A model's size on an instance.</summary>
    /// <returns>Bytes; 0 if unknown.</returns>
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
