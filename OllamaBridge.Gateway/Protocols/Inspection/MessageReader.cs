using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols.Inspection;

/// <summary>Counts the media in messages. Every method returns false if the body ends too early, and leaves the reader at the end of the value.</summary>
internal struct MessageReader
{
    // A part of a message, a tool result in it, and the parts of that; clients nest no deeper.
    private const int MaxPartDepth = 4;

    public int Images { get; private set; }

    public long ImageBytes { get; private set; }

    public bool HasRemoteMedia { get; private set; }

    public bool ReadImages(ref Utf8JsonReader reader)
    {
        var start = reader.TokenStartIndex;
        while (true)
        {
            if (!reader.Read())
                return false;
            if (reader.TokenType == JsonTokenType.EndArray)
                break;
            Images++;
            if (!reader.TrySkip())
                return false;
        }

        ImageBytes += reader.BytesConsumed - start;
        return true;
    }

    public bool ReadMessages(ref Utf8JsonReader reader)
    {
        var depth = reader.CurrentDepth;
        while (true)
        {
            if (!reader.Read())
                return false;
            if (reader.TokenType == JsonTokenType.EndArray && reader.CurrentDepth == depth)
                return true;
            if (!(reader.TokenType == JsonTokenType.StartObject ? ReadMessage(ref reader, out _) : reader.TrySkip()))
                return false;
        }
    }

    public bool ReadMessage(ref Utf8JsonReader reader, out bool isUser)
    {
        isUser = false;
        while (true)
        {
            if (!reader.Read())
                return false;
            if (reader.TokenType == JsonTokenType.EndObject)
                return true;
            var isRole = GoText.Is(ref reader, "role"u8);
            var isContent = !isRole && (GoText.Is(ref reader, "content"u8) || GoText.Is(ref reader, "output"u8));
            var isImages = !isRole && !isContent && GoText.Is(ref reader, "images"u8);
            var isMedia = !isRole && !isContent && !isImages && RemoteMedia.IsName(ref reader);
            if (!reader.Read())
                return false;
            if (isMedia && !ReadMedia(ref reader))
                return false;
            if (isRole && reader.TokenType == JsonTokenType.String)
                isUser = GoText.IsExactly(ref reader, "user"u8);
            else if (reader.TokenType == JsonTokenType.StartArray && (isContent || isImages)
                && !(isContent ? ReadParts(ref reader, depth: 0) : ReadImages(ref reader)))
                return false;
            if (!reader.TrySkip())
                return false;
        }
    }

    private bool ReadParts(ref Utf8JsonReader reader, int depth)
    {
        while (true)
        {
            if (!reader.Read())
                return false;
            if (reader.TokenType == JsonTokenType.EndArray)
                return true;
            if (!(reader.TokenType == JsonTokenType.StartObject ? ReadPart(ref reader, depth) : reader.TrySkip()))
                return false;
        }
    }

    private bool ReadPart(ref Utf8JsonReader reader, int depth)
    {
        var start = reader.TokenStartIndex;
        var isImage = false;
        while (true)
        {
            if (!reader.Read())
                return false;
            if (reader.TokenType == JsonTokenType.EndObject)
                break;
            var isType = GoText.Is(ref reader, "type"u8);
            var isContent = !isType && GoText.Is(ref reader, "content"u8);
            var isMedia = !isType && !isContent && RemoteMedia.IsName(ref reader);
            if (!reader.Read())
                return false;
            if (isMedia && !ReadMedia(ref reader))
                return false;
            if (isType && reader.TokenType == JsonTokenType.String)
                isImage = GoText.IsExactly(ref reader, "image_url"u8) || GoText.IsExactly(ref reader, "image"u8) || GoText.IsExactly(ref reader, "input_image"u8);
            else if (isContent && reader.TokenType == JsonTokenType.StartArray && depth < MaxPartDepth && !ReadParts(ref reader, depth + 1))
                return false;
            if (!reader.TrySkip())
                return false;
        }

        if (isImage)
        {
            Images++;
            ImageBytes += reader.BytesConsumed - start;
        }

        return true;
    }

    private bool ReadMedia(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.String)
            HasRemoteMedia |= RemoteMedia.IsRemote(ref reader);
        if (reader.TokenType != JsonTokenType.StartObject)
            return true;
        while (true)
        {
            if (!reader.Read())
                return false;
            if (reader.TokenType == JsonTokenType.EndObject)
                return true;
            var isUrl = GoText.Is(ref reader, "url"u8);
            if (!reader.Read())
                return false;
            if (isUrl && reader.TokenType == JsonTokenType.String)
                HasRemoteMedia |= RemoteMedia.IsRemote(ref reader);
            if (!reader.TrySkip())
                return false;
        }
    }
}
