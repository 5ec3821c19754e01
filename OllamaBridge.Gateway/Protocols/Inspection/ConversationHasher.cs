using System.Buffers;
using System.IO.Hashing;
using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols.Inspection;

/// <summary>Hashes the beginning of a conversation, which stays the same from turn to turn.</summary>
internal struct ConversationHasher
{
    // Enough of a prompt to distinguish conversations, but little enough to stay the same while the prompt grows.
    private const int PromptBytes = 256;

    /// <summary>0 if the request has no beginning.</summary>
    public ulong Affinity { get; private set; }

    public bool IsLaterTurn { get; private set; }

    /// <returns>False if the body ends too early. Covers all messages up to the user's first, or a prompt's first bytes, in any order of the
    /// properties.</returns>
    public bool Read(ref Utf8JsonReader reader, in ReadOnlySequence<byte> body, ref MessageReader messages)
    {
        var hash = 0ul;
        var isEmpty = true;
        if (reader.TokenType == JsonTokenType.String)
        {
            var start = reader.TokenStartIndex;
            var length = Math.Min(reader.BytesConsumed - start, PromptBytes);
            hash = Hash(body.Slice(start, length), hash);
            isEmpty = length == "\"\"".Length;
        }
        else if (reader.TokenType == JsonTokenType.StartArray)
        {
            var depth = reader.CurrentDepth;
            var found = false;
            while (true)
            {
                if (!reader.Read())
                    return false;
                if (reader.TokenType == JsonTokenType.EndArray && reader.CurrentDepth == depth)
                    break;
                var start = reader.TokenStartIndex;
                var isUser = false;
                if (!(reader.TokenType == JsonTokenType.StartObject ? messages.ReadMessage(ref reader, out isUser) : reader.TrySkip()))
                    return false;
                if (found)
                {
                    IsLaterTurn = true;
                    continue;
                }

                hash = Hash(body.Slice(start, reader.BytesConsumed - start), hash);
                found = isUser;
                isEmpty = false;
            }
        }

        if (!isEmpty)
            Affinity ^= hash;
        return true;
    }

    private static ulong Hash(in ReadOnlySequence<byte> bytes, ulong before)
    {
        if (bytes.IsSingleSegment)
            return XxHash3.HashToUInt64(bytes.FirstSpan, (long)before);
        var length = checked((int)bytes.Length);
        var buffer = ArrayPool<byte>.Shared.Rent(length);
        bytes.CopyTo(buffer);
        var hash = XxHash3.HashToUInt64(buffer.AsSpan(0, length), (long)before);
        ArrayPool<byte>.Shared.Return(buffer);
        return hash;
    }
}
