using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using OllamaBridge.Gateway.Admission;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>
/// Tells a client that asked for it, again and again until its answer begins, that its stream is still waited for and how far it is:
/// nothing in between then closes a connection on which nothing happens.
/// </summary>
/// <remarks>
/// On server-sent events a comment, which every client passes over; on Ollama's own streams a line without content, as the server itself
/// sends them, with the wait in a field that clients do not know.
/// </remarks>
internal sealed class Heartbeat : IAsyncDisposable
{
    /// <summary>With <c>1</c> a client asks for it.</summary>
    public const string Header = "X-Bridge-Progress";

    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly CancellationTokenSource _end;
    private readonly Task _beating;
    private bool _ended;

    private Heartbeat(HttpContext context, BridgeCall call, RequestQueue queue, TimeSpan interval, TimeProvider time)
    {
        _end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        _beating = BeatAsync(context, call, queue, interval, time, _end.Token);
    }

    /// <summary>Whether a request asks for it and can have it.</summary>
    public static bool IsWanted(HttpContext context, BridgeCall call) =>
        context.Request.Headers.TryGetValue(Header, out var wish) && wish.ToString().Trim() == "1"
        && call.Operation is { Kind: OperationKind.Inference, End: not StreamEnd.None }
        && (call.Facts.Stream ?? call.Operation.StreamsByDefault);

    /// <summary>Begins.</summary>
    /// <param name="context">The request, whose response is a <see cref="BegunResponse"/>.</param>
    /// <param name="call">What is known of it.</param>
    /// <param name="queue">Where it may wait.</param>
    /// <param name="interval">Time before the first and between two.</param>
    /// <param name="time">The clock.</param>
    public static Heartbeat Start(HttpContext context, BridgeCall call, RequestQueue queue, TimeSpan interval, TimeProvider time) =>
        new(context, call, queue, interval, time);

    /// <summary>Ends it; afterwards the response is the caller's alone.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_ended)
            return;
        _ended = true;
        await _end.CancelAsync();
        await _beating;
        _end.Dispose();
    }

    /// <summary>One message.</summary>
    /// <param name="call">Whose.</param>
    /// <param name="place">Its place in the queue; null where it waits for its instance.</param>
    /// <param name="now">The time.</param>
    public static ReadOnlyMemory<byte> Write(BridgeCall call, QueuePlace? place, DateTimeOffset now) =>
        call.Operation.End == StreamEnd.Done ? WriteLine(call, place, now) : WriteComment(place);

    private static async Task BeatAsync(
        HttpContext context, BridgeCall call, RequestQueue queue, TimeSpan interval, TimeProvider time, CancellationToken end)
    {
        // A task of its own: whoever starts it goes on.
        await Task.Yield();
        var body = BegunResponse.For(context);
        using var timer = new PeriodicTimer(interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(end))
                await body.WriteAsideAsync(
                    call.Operation.End == StreamEnd.Done ? "application/x-ndjson" : "text/event-stream",
                    Write(call, queue.Locate(call.Ticket), time.GetWallClock()),
                    // Not the end: Kestrel aborts the connection where a write is cancelled, and what has begun is written in no time.
                    context.RequestAborted);
        }
        catch (OperationCanceledException)
        {
            // The answer begins, or the client has gone.
        }
        catch (IOException)
        {
            // The client has gone; whoever handles the request finds out, too.
        }
    }

    private static ReadOnlyMemory<byte> WriteComment(QueuePlace? place)
    {
        var text = place is not { } p ? ": waiting for the first token\n\n"
            : string.Create(CultureInfo.InvariantCulture, $": waiting position={p.Position}{(p.EstimatedWait is { } w ? $" estimated_wait={w.TotalSeconds:0.###}" : "")}\n\n");
        return Encoding.ASCII.GetBytes(text);
    }

    private static ReadOnlyMemory<byte> WriteLine(BridgeCall call, QueuePlace? place, DateTimeOffset now)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Plain))
        {
            json.WriteStartObject();
            json.WriteString("model"u8, call.Facts.Model);
            json.WriteString("created_at"u8, now.UtcDateTime);
            if (call.Operation.Name == "chat")
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
