using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>Goes on with a streamed answer in the client's protocol, as the instance that began it would have.</summary>
internal abstract class AnswerWriter(KeptAnswer kept) : IDisposable
{
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };
    private readonly ArrayBufferWriter<byte> _scratch = new(256);
    private readonly Utf8JsonWriter _json = new(new ArrayBufferWriter<byte>(1), Plain);

    /// <summary>What the client has been sent.</summary>
    protected KeptAnswer Kept { get; } = kept;

    /// <summary>Makes the writer for an operation's streams.</summary>
    /// <param name="call">The request.</param>
    /// <param name="kept">What the client has been sent.</param>
    /// <param name="time">The clock.</param>
    public static AnswerWriter For(BridgeCall call, KeptAnswer kept, TimeProvider time) => (call.Operation.Protocol, call.Operation.Name) switch
    {
        (Protocol.OpenAI, "chat") => new ChatCompletionWriter(call, kept, isChat: true, time),
        (Protocol.OpenAI, _) => new ChatCompletionWriter(call, kept, isChat: false, time),
        (Protocol.Anthropic, _) => new MessagesWriter(kept),
        var (_, name) => new NativeWriter(call, kept, isChat: name == "chat", time),
    };

    /// <summary>Writes words.</summary>
    /// <param name="thinking">Those of the thinking, UTF-8.</param>
    /// <param name="text">Those of the answer, UTF-8.</param>
    /// <param name="output">Where to.</param>
    public abstract void WriteWords(ReadOnlySpan<byte> thinking, ReadOnlySpan<byte> text, IBufferWriter<byte> output);

    /// <summary>Writes how the answer ended, and the mark that it is whole.</summary>
    public abstract void WriteEnd(IBufferWriter<byte> output);

    /// <summary>The mark alone: how the answer ended has been sent.</summary>
    public abstract ReadOnlyMemory<byte> WriteMark();

    /// <inheritdoc/>
    public void Dispose() => _json.Dispose();

    /// <summary>Begins an object.</summary>
    protected Utf8JsonWriter Begin()
    {
        _scratch.ResetWrittenCount();
        _json.Reset(_scratch);
        _json.WriteStartObject();
        return _json;
    }

    /// <summary>Ends the object and writes it out.</summary>
    protected void End(IBufferWriter<byte> output, ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> suffix)
    {
        _json.WriteEndObject();
        _json.Flush();
        output.Write(prefix);
        output.Write(_scratch.WrittenSpan);
        output.Write(suffix);
    }
}
