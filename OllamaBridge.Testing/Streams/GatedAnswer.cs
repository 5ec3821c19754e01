using System.Text;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Answers;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Forwarding;

namespace OllamaBridge.Testing.Streams;

/// <summary>The result of reading an instance's stream through the gate to its end: the text for the client, and the state of its transcript.</summary>
internal sealed record GatedAnswer(
    string Sent, string Text, string Thinking, bool IsComplete, Interruption? Interrupted, string Told, bool IsWhole, int Pieces, ResponseEnd End)
{
    private static readonly FakeTimeProvider Time = new();
    private static readonly InstanceLease Lease = MakeLease();

    /// <summary>The number of bytes of each read.</summary>
    public IReadOnlyList<int> Reads { get; private init; } = [];

    /// <summary>Reads pieces to their end with a buffer of the given size, in bytes.</summary>
    public static GatedAnswer Read(string path, IEnumerable<byte[]> pieces, Exception? breaks = null, int buffer = 4096, int limit = 1 << 20) =>
        Read(path, new PiecesStream(pieces, breaks), buffer, limit, out _);

    /// <summary>Reads a stream to its end, and counts the bytes that this allocates on the heap.</summary>
    public static GatedAnswer Read(string path, Stream source, int buffer, int limit, out long allocated)
    {
        var operation = OperationTable.Find(path, out _)!;
        var call = TestCalls.Create(path);
        var attempt = TestCalls.Attempt(call, Lease, Time);
        using var kept = new ResponseTranscript(limit);
        call.Response.Transcript = kept;
        using var gate = new PassthroughStream(
            source, new BufferedBytes(), ResponseReader.For(operation, kept)!, kept, attempt, () => ResponseWriter.For(call.ResponseContext, kept, Time));
        using var sent = new MemoryStream(1 << 20);
        var bytes = new byte[buffer];
        var reads = new List<int>(10_000);
        var before = GC.GetAllocatedBytesForCurrentThread();
        while (true)
        {
            // The order of YARP's copying: an empty read waits for data, and a second read returns it.
            _ = Done(gate.ReadAsync(Memory<byte>.Empty));
            var read = Done(gate.ReadAsync(bytes));
            if (read == 0)
                break;
            reads.Add(read);
            sent.Write(bytes, 0, read);
        }

        allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        return new GatedAnswer(
            Utf8(sent.ToArray()), kept.Text.ToString(), kept.Thinking.ToString(), attempt.IsComplete, attempt.Interrupted, Utf8(attempt.ErrorLine.Span), kept.IsWhole, kept.Pieces, kept.End)
        {
            Reads = reads,
        };
    }

    public static GatedAnswer Read(string path, string stream, Exception? breaks = null) => Read(path, [Encoding.UTF8.GetBytes(stream)], breaks);

    private static InstanceLease MakeLease()
    {
        var fleet = new FleetBuilder().With("i");
        fleet.Build();
        return InstanceLease.WithoutSlot(fleet.Placement("i"), Time);
    }

    // All reads complete synchronously.
    private static int Done(ValueTask<int> read)
    {
        Assert.True(read.IsCompleted);
        return read.GetAwaiter().GetResult();
    }

    private static string Utf8(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes) is var raw && raw.All(char.IsAscii) ? raw : Encoding.UTF8.GetString(bytes);
}
