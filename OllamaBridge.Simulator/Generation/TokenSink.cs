using System.Text;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.Text;

namespace OllamaBridge.Simulator.Generation;

/// <summary>Writes a response in the format of one protocol, line by line or as a whole. Nothing is sent before the first piece.</summary>
internal abstract class TokenSink(Call call, bool streams) : IDisposable
{
    protected Call Call { get; } = call;

    protected bool Streams { get; } = streams;

    protected StringBuilder Content { get; } = new();

    protected StringBuilder Thinking { get; } = new();

    protected List<OutputPiece> Pieces { get; } = [];

    protected ToolCall? CalledTool { get; private set; }

    protected bool Begun { get; private set; }

    protected GoJson Json { get; } = new();

    protected abstract string StreamType { get; }

    protected virtual string WholeType => ContentTypes.Json;

    public async ValueTask SendAsync(OutputPiece piece, CancellationToken cancellationToken)
    {
        if (!Streams)
        {
            Collect(piece);
            return;
        }
        Json.Clear();
        if (!Begun)
            Begin();
        WritePiece(piece);
        Begun = true;
        await Reply.FlushAsync(Call.Http, Json, cancellationToken);
    }

    public async ValueTask EndAsync(GenerationEnd end, CancellationToken cancellationToken)
    {
        Json.Clear();
        if (!Streams)
        {
            WriteWhole(end);
            await Reply.JsonAsync(Call.Http, 200, Json, WholeType);
            return;
        }
        if (!Begun)
            Begin();
        WriteEnd(end);
        Begun = true;
        await Reply.FlushAsync(Call.Http, Json, cancellationToken);
    }

    /// <summary>Reports the death of the model's process as this protocol does, with the stream's clean end.</summary>
    public async ValueTask FailAsync(ApiError error, CancellationToken cancellationToken)
    {
        if (!Streams || !Begun)
            throw new ApiError(error.Status, error.Message) { WhereStreamBegins = Streams };
        Json.Clear();
        WriteFailure(error);
        await Reply.FlushAsync(Call.Http, Json, cancellationToken);
    }

    /// <summary>Writes invalid JSON. True if it was the whole response.</summary>
    public async ValueTask<bool> MalformedAsync(CancellationToken cancellationToken)
    {
        Json.Clear();
        if (!Streams)
        {
            await Reply.JsonAsync(Call.Http, 200, Json.Raw("{\"model\": garbled"u8), WholeType);
            return true;
        }
        if (!Begun)
            Begin();
        WriteMalformed();
        Begun = true;
        await Reply.FlushAsync(Call.Http, Json, cancellationToken);
        return false;
    }

    public void Dispose() => Json.Dispose();

    /// <summary>Sends the headers and the text before the first piece.</summary>
    protected virtual void Begin() => Reply.Head(Call.Http, 200, StreamType);

    protected abstract void WritePiece(OutputPiece piece);

    protected abstract void WriteEnd(GenerationEnd end);

    protected abstract void WriteWhole(GenerationEnd end);

    protected abstract void WriteFailure(ApiError error);

    protected virtual void WriteMalformed() => Json.Raw("{\"model\":\"garbled\n"u8);

    private void Collect(OutputPiece piece)
    {
        Pieces.Add(piece);
        CalledTool ??= piece.Call;
        (piece.Kind == TokenKind.Thinking ? Thinking : Content).Append(piece.Text);
    }
}
