using System.Buffers;
using System.Text.Json;

namespace OllamaBridge.Gateway.Admission;

/// <summary>Reads which model a <c>create</c> starts from. Pure.</summary>
internal static class CreateSource
{
    /// <summary>The value of <c>from</c>, in any case, the last one if there are several, as Go reads it.</summary>
    /// <param name="body">The request's body.</param>
    /// <returns>Null if it names none.</returns>
    public static string? Read(in ReadOnlySequence<byte> body)
    {
        string? from = null;
        try
        {
            // A long body may be cut where a real server stops reading, too: after the object.
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
            // The instance words it.
        }

        return string.IsNullOrEmpty(from) ? null : from;
    }
}
