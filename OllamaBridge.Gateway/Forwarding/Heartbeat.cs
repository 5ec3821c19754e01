using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Resumption;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Reports the wait until the response begins, so that no intermediary closes an idle connection: SSE comments, or lines without content.</summary>
internal sealed class Heartbeat : IAsyncDisposable
{
    /// <summary>The request header that enables the messages with the value <c>1</c>.</summary>
    public const string Header = "X-Bridge-Progress";

    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly CancellationTokenSource _end;
    private readonly Task _beating;
    private bool _ended;

    private Heartbeat(HttpContext context, ForwardedCall call, RequestQueue queue, TimeSpan interval, TimeProvider time)
    {
        _end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        _beating = BeatAsync(context, call, queue, interval, time, _end.Token);
    }

    public static bool IsWanted(IHeaderDictionary headers, Operation operation, in RequestFacts facts) =>
        headers.TryGetValue(Header, out var wish) && wish.ToString().Trim() == "1"
        && operation is { Kind: OperationKind.Inference, End: not StreamEnd.None }
        && (facts.Stream ?? operation.StreamsByDefault);

    /// <summary>The response must be a <see cref="RestartableResponse"/>. The <paramref name="interval"/> is also the time before the first message.</summary>
    public static Heartbeat Start(HttpContext context, ForwardedCall call, RequestQueue queue, TimeSpan interval, TimeProvider time) =>
        new(context, call, queue, interval, time);

    public async ValueTask DisposeAsync()
    {
        if (_ended)
            return;
        _ended = true;
        await _end.CancelAsync();
        await _beating;
        _end.Dispose();
    }

    public static ReadOnlyMemory<byte> Write(ForwardedCall call, QueuePlace? place, DateTimeOffset now) =>
        call.Operation.End == StreamEnd.Done ? WriteLine(call, place, now) : WriteComment(place);

    private static async Task BeatAsync(
        HttpContext context, ForwardedCall call, RequestQueue queue, TimeSpan interval, TimeProvider time, CancellationToken end)
    {
        // Runs concurrently with the caller.
        await Task.Yield();
        var body = RestartableResponse.For(context);
        using var timer = new PeriodicTimer(interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(end))
                await body.WriteAsideAsync(
                    call.Operation.End == StreamEnd.Done ? "application/x-ndjson" : "text/event-stream",
                    Write(call, queue.Locate(call.Wait.Ticket), time.GetWallClock()),
                    // Not cancelled by the end of the wait: Kestrel aborts the connection if a write is cancelled, and a write that has begun is short.
                    context.RequestAborted);
        }
        catch (OperationCanceledException)
        {
            // The response begins, or the client has disconnected.
        }
        catch (IOException)
        {
            // The client has disconnected. The handler of the request finds that, too.
        }
    }

    private static ReadOnlyMemory<byte> WriteComment(QueuePlace? place)
    {
        var text = place is not { } p ? ": waiting for the first token\n\n"
            : string.Create(CultureInfo.InvariantCulture, $": waiting position={p.Position}{(p.EstimatedWait is { } w ? $" estimated_wait={w.TotalSeconds:0.###}" : "")}\n\n");
        return Encoding.ASCII.GetBytes(text);
    }

    private static ReadOnlyMemory<byte> WriteLine(ForwardedCall call, QueuePlace? place, DateTimeOffset now)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Plain))
        {
            json.WriteStartObject();
            json.WriteString("model"u8, call.Facts.Model);
            json.WriteString("created_at"u8, now.UtcDateTime);
            if (call.Operation.Type == OperationType.Chat)
            {
                json.WriteStartObject("message"u8);
                json.WriteString("role"u8, "assistant"u8);
                json.WriteString("content"u8, ""u8);
                json.WriteEndObject();
            }
            else
            {
                json.WriteString("response"u8, ""u8);
            }

            json.WriteBoolean("done"u8, false);
            json.WriteStartObject("bridge"u8);
            if (place is { } p)
            {
                json.WriteNumber("position"u8, p.Position);
                if (p.EstimatedWait is { } wait)
                    json.WriteNumber("estimated_wait"u8, Math.Round(wait.TotalSeconds, 3));
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        buffer.Write("\n"u8);
        return buffer.WrittenMemory;
    }
}
