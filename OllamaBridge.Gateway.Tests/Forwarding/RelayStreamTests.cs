using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Forwarding;
using OllamaBridge.Testing.Streams;

namespace OllamaBridge.Gateway.Tests.Forwarding;

public sealed class RelayStreamTests : IDisposable
{
    private const string Line = """{"model":"tiny","message":{"role":"assistant","content":"A"},"done":false}""" + "\n";
    private const string Last = """{"model":"tiny","message":{"role":"assistant","content":""},"done":true,"prompt_eval_count":12,"eval_count":6}""" + "\n";
    private const string Event = """data: {"id":"chatcmpl-1","model":"tiny","choices":[{"index":0,"delta":{"content":"A"},"finish_reason":null}]}""" + "\n\n";
    private const string Done = "data: [DONE]\n\n";
    private const string Deltas = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\"}\n\n";
    private const string Stop = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    private readonly DefaultHttpContext _context = new();
    private readonly MemoryStream _client = new();
    private ForwardAttempt _attempt = null!;

    public RelayStreamTests() => _context.Response.Body = _client;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public void Dispose() => _attempt?.Watcher?.Dispose();

    [Theory]
    [InlineData("/api/chat", Line, Line + Last)]
    [InlineData("/v1/chat/completions", Event, Event + Done)]
    [InlineData("/v1/messages", Deltas, Stop)]
    [InlineData("/api/pull", "{\"status\":\"pulling manifest\"}\n", "{\"status\":\"success\"}\n")]
    [InlineData("/api/chat", "", Last)]
    [InlineData("/api/pull", "{\"status\":\"x\"}\n", "{\"error\":\"no network\"}\n")] // the response ends with the server's own error
    public async Task Read_Complete_Unchanged(string path, string held, string rest)
    {
        var text = await RelayAsync(path, held, rest);
        Assert.Equal(held + rest, text);
        Assert.False(_attempt.Result.IsTruncated);
    }

    [Theory]
    [InlineData("/api/chat", Line, false)]
    [InlineData("/api/chat", Line, true)]
    [InlineData("/v1/chat/completions", Event, false)] // 08-kill9-runner-v1-sse-midstream: a clean end without [DONE]
    [InlineData("/v1/chat/completions", Event, true)]
    [InlineData("/v1/messages", Deltas, false)]
    [InlineData("/v1/messages", Deltas, true)]
    [InlineData("/v1/responses", "event: response.created\ndata: {}\n\n", true)]
    [InlineData("/api/pull", "{\"status\":\"pulling manifest\"}\n", true)]
    public async Task Read_InterruptedOrEndedEarly_TailInClientsProtocol(string path, string sent, bool breaks)
    {
        var text = await RelayAsync(path, sent, sent, breaks ? new IOException("reset") : null);
        Assert.StartsWith(sent + sent, text, StringComparison.Ordinal);
        var tail = text[(2 * sent.Length)..];
        Assert.Contains("\"error\"", tail, StringComparison.Ordinal);
        Assert.Contains(breaks ? "broke off" : "too early", tail, StringComparison.Ordinal);
        Assert.True(_attempt.Result.IsTruncated);
        var watcher = StreamWatcher.For(_attempt.Call.Operation.End);
        watcher.Observe(Encoding.UTF8.GetBytes(tail));
        Assert.True(watcher.HasError);
    }

    [Theory]
    [InlineData("/api/chat", Line)]
    [InlineData("/v1/chat/completions", Event)]
    [InlineData("/v1/messages", Deltas)]
    public async Task Read_InterruptedMidLine_TailOnNewLine(string path, string sent)
    {
        var text = await RelayAsync(path, sent, sent[..(sent.Length / 2)], new IOException("reset"));
        using var watcher = StreamWatcher.For(_attempt.Call.Operation.End);
        watcher.Observe(Encoding.UTF8.GetBytes(text));
        Assert.True(watcher.HasError);
        Assert.StartsWith(sent + sent[..(sent.Length / 2)] + "\n", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/v1/chat/completions", "data: {}\n")]
    [InlineData("/v1/chat/completions", "data: {")]
    [InlineData("/v1/messages", "event: x\n")]
    [InlineData("/v1/messages", "event: x\ndata: {}\n")]
    public async Task Read_InterruptedMidEvent_TailIsSeparateEvent(string path, string sent)
    {
        var text = await RelayAsync(path, sent, "", new IOException("reset"));
        Assert.Equal(sent.TrimEnd('\n'), text[..text.IndexOf("\n\n", StringComparison.Ordinal)]);
        Assert.Contains("\"error\"", text[text.IndexOf("\n\n", StringComparison.Ordinal)..], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Read_CutAfterLastLine_Complete()
    {
        Assert.Equal(Line + Last, await RelayAsync("/api/chat", Line, Last, new IOException("reset")));
        Assert.False(_attempt.Result.IsTruncated);
    }

    [Fact]
    public async Task Read_LastLineWithoutNewline_Complete()
    {
        Assert.Equal(Line + Last.TrimEnd(), await RelayAsync("/api/chat", Line, Last.TrimEnd()));
        Assert.False(_attempt.Result.IsTruncated);
    }

    [Fact]
    public async Task Read_AllBufferedButIncomplete_Tail()
    {
        using var relay = Make("/api/chat", Line, [], null, ended: false);
        Assert.Contains("too early", await ReadAllAsync(relay, 4096), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(4096)]
    public async Task Read_AnyBufferSize_SameBytes(int size)
    {
        using var relay = Make("/api/chat", Line, Encoding.UTF8.GetBytes(Line + Line).Chunk(5), new IOException("reset"), ended: false);
        var text = await ReadAllAsync(relay, size);
        Assert.StartsWith(Line + Line + Line + "{\"error\":\"", text, StringComparison.Ordinal);
        Assert.EndsWith("\"}\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Read_ZeroBytes_WaitsWithoutConsuming()
    {
        using var relay = Make("/api/chat", Line, [Encoding.UTF8.GetBytes(Last)], null, ended: false);
        Assert.Equal(0, await relay.ReadAsync(Memory<byte>.Empty, Cancelled));
        Assert.Equal(Line.Length, await relay.ReadAsync(new byte[4096], Cancelled));
        Assert.Equal(0, await relay.ReadAsync(Memory<byte>.Empty, Cancelled));
        Assert.False(_attempt.Result.IsTruncated); // the 0 of an empty read is not the end
        Assert.Equal(Last, await ReadAllAsync(relay, 4096));
        Assert.False(_attempt.Result.IsTruncated);
    }

    [Fact]
    public async Task Read_ZeroBytesOnFailedSource_Tail()
    {
        using var relay = Make("/api/chat", Line, [], new IOException("reset"), ended: false);
        Assert.Equal(Line.Length, await relay.ReadAsync(new byte[4096], Cancelled));
        Assert.Equal(0, await relay.ReadAsync(Memory<byte>.Empty, Cancelled));
        Assert.Contains("broke off", await ReadAllAsync(relay, 4096), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Read_ForwarderTimeout_TailWritten()
    {
        using var relay = Make("/api/chat", Line, [], new OperationCanceledException(), ended: false);
        Assert.Equal(Line, await ReadAllAsync(relay, 4096));
        Assert.Contains("stalled", Encoding.UTF8.GetString(_client.ToArray()), StringComparison.Ordinal);
        Assert.True(_attempt.Result.IsTruncated);
    }

    [Fact]
    public async Task Read_ClientDisconnected_Throws()
    {
        using var gone = new CancellationTokenSource();
        _context.RequestAborted = gone.Token;
        using var relay = Make("/api/chat", "", [], new IOException("reset"), ended: false);
        await gone.CancelAsync();
        await Assert.ThrowsAsync<IOException>(() => ReadAllAsync(relay, 16));
        Assert.False(_attempt.Result.IsTruncated);
    }

    [Fact]
    public async Task Read_Complete_OneCallbackBeforeLastBytes()
    {
        var calls = 0;
        var seen = 0;
        var target = new ForwardingTarget(BeforeCompletion: _ =>
        {
            calls++;
            Assert.Equal(15, seen);
            return Task.CompletedTask;
        });
        using var relay = Make("/api/pull", "{\"status\":\"x\"}\n", ["{\"status\":\"success\"}\n"u8.ToArray(), "\n"u8.ToArray()], null, ended: false, target);
        var buffer = new byte[64];
        for (int n; (n = await relay.ReadAsync(buffer, Cancelled)) > 0;)
            seen += n;
        Assert.Equal(1, calls);
    }

    private async Task<string> RelayAsync(string path, string held, string rest, Exception? breaks = null)
    {
        using var relay = Make(path, held, [Encoding.UTF8.GetBytes(rest)], breaks, ended: false);
        return await ReadAllAsync(relay, 4096);
    }

    private RelayStream Make(string path, string held, IEnumerable<byte[]> rest, Exception? breaks, bool ended, ForwardingTarget? target = null)
    {
        var operation = OperationTable.Find(path, out _)!;
        var fleet = new FleetBuilder().With("i");
        fleet.Build();
        var lease = InstanceLease.WithoutSlot(fleet.Placement("i"), new FakeTimeProvider());
        _attempt = TestCalls.Attempt(TestCalls.Create(path, target: target), lease, new FakeTimeProvider());
        _attempt.Watcher = StreamWatcher.For(operation.End);
        var ahead = new BufferedBytes();
        using (var first = new MemoryStream(Encoding.UTF8.GetBytes(held)))
            ahead.ReadOnceAsync(first, 4096, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        return new RelayStream(new PiecesStream(rest, breaks), ahead, ended, _attempt, _context);
    }

    private static async Task<string> ReadAllAsync(RelayStream relay, int size)
    {
        var all = new MemoryStream();
        var buffer = new byte[size];
        for (int n; (n = await relay.ReadAsync(buffer, Cancelled)) > 0;)
            all.Write(buffer, 0, n);
        return Encoding.UTF8.GetString(all.ToArray());
    }
}
