using System.Text;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Forwarding.Continuation;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Answers;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Tests.Fleet;

namespace OllamaBridge.Gateway.Tests.Forwarding.Continuation;

/// <summary>An instance's stream that was read through the gate to its end, as the client gets it.</summary>
/// <param name="Sent">What the client was sent.</param>
/// <param name="Text">What is kept of the words.</param>
/// <param name="Thinking">What is kept of the thinking.</param>
/// <param name="IsComplete">Whether the answer counts as whole.</param>
/// <param name="Interrupted">Why it broke off.</param>
/// <param name="Told">The instance's own message that it failed.</param>
/// <param name="IsWhole">Whether it could be gone on with.</param>
/// <param name="Pieces">Messages with words.</param>
/// <param name="End">How it ended.</param>
internal sealed record GatedAnswer(
    string Sent, string Text, string Thinking, bool IsComplete, Interruption? Interrupted, string Told, bool IsWhole, int Pieces, AnswerEnd End)
{
    private static readonly FakeTimeProvider Time = new();
    private static readonly InstanceLease Lease = MakeLease();

    /// <summary>How much came with each reading.</summary>
    public IReadOnlyList<int> Reads { get; private init; } = [];

    /// <summary>Reads pieces to their end, with a buffer of a client that takes so many bytes at once.</summary>
    public static GatedAnswer Read(string path, IEnumerable<byte[]> pieces, Exception? breaks = null, int buffer = 4096, int limit = 1 << 20) =>
        Read(path, new PiecesStream(pieces, breaks), buffer, limit, out _);

    /// <param name="path">The route.</param>
    /// <param name="source">The instance's stream.</param>
    /// <param name="buffer">How many bytes the client takes at once.</param>
    /// <param name="limit">The most text that is kept.</param>
    /// <param name="allocated">Receives the bytes of memory that reading it took from the heap.</param>
    /// <inheritdoc cref="Read(string, IEnumerable{byte[]}, Exception?, int, int)"/>
    public static GatedAnswer Read(string path, Stream source, int buffer, int limit, out long allocated)
    {
        var operation = OperationTable.Find(path, out _)!;
        var call = new BridgeCall(operation, "", 0);
        var attempt = new ForwardAttempt(call, Lease, null, Time, CancellationToken.None);
        using var kept = new KeptAnswer(limit);
        call.Kept = kept;
        using var gate = new GatedStream(
            source, new HeldBytes(), AnswerReader.For(operation, kept)!, kept, attempt, () => AnswerWriter.For(call, kept, Time));
        using var sent = new MemoryStream(1 << 20);
        var bytes = new byte[buffer];
        var reads = new List<int>(10_000);
        var before = GC.GetAllocatedBytesForCurrentThread();
        while (true)
        {
            // As YARP's copying does: first whether there is something, then what.
            _ = Done(gate.ReadAsync(Memory<byte>.Empty));
            var read = Done(gate.ReadAsync(bytes));
            if (read == 0)
                break;
            reads.Add(read);
            sent.Write(bytes, 0, read);
        }

        allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        return new GatedAnswer(
            Utf8(sent.ToArray()), kept.Text.ToString(), kept.Thinking.ToString(), attempt.IsComplete, attempt.Interrupted, Utf8(attempt.Told.Span), kept.IsWhole, kept.Pieces, kept.End)
        {
            Reads = reads,
        };
    }

    /// <inheritdoc cref="Read(string, IEnumerable{byte[]}, Exception?, int, int)"/>
    public static GatedAnswer Read(string path, string stream, Exception? breaks = null) => Read(path, [Encoding.UTF8.GetBytes(stream)], breaks);

    private static InstanceLease MakeLease()
    {
        var fleet = new FleetBuilder().With("i");
        fleet.Build();
        return InstanceLease.WithoutSlot(fleet.Placement("i"), Time);
    }

    // Nothing here waits.
    private static int Done(ValueTask<int> read)
    {
        Assert.True(read.IsCompleted);
        return read.GetAwaiter().GetResult();
    }

    private static string Utf8(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes) is var raw && raw.All(char.IsAscii) ? raw : Encoding.UTF8.GetString(bytes);
}
