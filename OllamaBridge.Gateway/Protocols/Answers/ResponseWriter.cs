using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>Resumes a streamed response in the client's protocol, in the format of the instance that began it.</summary>
internal abstract class ResponseWriter(ResponseTranscript kept) : IDisposable
{
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };
    private readonly ArrayBufferWriter<byte> _scratch = new(256);
    private readonly Utf8JsonWriter _json = new(new ArrayBufferWriter<byte>(1), Plain);

    protected ResponseTranscript Kept { get; } = kept;

    public static ResponseWriter For(ResponseContext context, ResponseTranscript kept, TimeProvider time) => (context.Operation.Protocol, context.Operation.Type) switch
    {
        (Protocol.OpenAI, OperationType.Chat) => new ChatCompletionWriter(context, kept, isChat: true, time),
        (Protocol.OpenAI, _) => new ChatCompletionWriter(context, kept, isChat: false, time),
        (Protocol.Anthropic, _) => new MessagesWriter(kept),
        var (_, type) => new NativeWriter(context, kept, isChat: type == OperationType.Chat, time),
    };

    public abstract void WriteWords(ReadOnlySpan<byte> thinking, ReadOnlySpan<byte> text, IBufferWriter<byte> output);

    public abstract void WriteEnd(IBufferWriter<byte> output);

    /// <summary>The marker alone, for a client that has the end of the response.</summary>
    public abstract ReadOnlyMemory<byte> WriteMark();

    public void Dispose() => _json.Dispose();

    protected Utf8JsonWriter Begin()
    {
        _scratch.ResetWrittenCount();
        _json.Reset(_scratch);
        _json.WriteStartObject();
        return _json;
    }

    protected void End(IBufferWriter<byte> output, ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> suffix)
    {
        _json.WriteEndObject();
        _json.Flush();
        output.Write(prefix);
        output.Write(_scratch.WrittenSpan);
        output.Write(suffix);
    }
}
