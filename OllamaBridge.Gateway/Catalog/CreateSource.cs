using System.Buffers;
using System.Text.Json;

namespace OllamaBridge.Gateway.Catalog;

internal static class CreateSource
{
    /// <summary>The last value of <c>from</c>, case-insensitive, as Go reads it. Pure.</summary>
    public static string? Read(in ReadOnlySequence<byte> body)
    {
        string? from = null;
        try
        {
            // A long body may be cut. Ollama also stops reading after the object.
            var reader = new Utf8JsonReader(body, isFinalBlock: false, default);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                return null;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var isFrom = string.Equals(reader.GetString(), "from", StringComparison.OrdinalIgnoreCase);
                if (!reader.Read())
                    break;
                if (isFrom && reader.TokenType == JsonTokenType.String)
                    from = reader.GetString();
                if (!reader.TrySkip())
                    break;
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The instance reports the error.
        }

        return string.IsNullOrEmpty(from) ? null : from;
    }
}
