using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Answers;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Forwarding;

namespace OllamaBridge.Gateway.Tests.Resumption;

/// <summary>A stream is taken from its instance only if all of its received content can be resumed.</summary>
public sealed class MovingTests : IDisposable
{
    private const string Begin = """{"model":"m","created_at":"2026-11-23T21:11:22Z","message":{"role":"assistant","content":""},"done":false}""" + "\n";
    private const string Call = """{"model":"m","created_at":"2026-11-23T21:11:22Z","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{}}}]},"done":false}""" + "\n";
    private const string End = """{"model":"m","created_at":"2026-11-23T21:11:22Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}""" + "\n";
    private readonly FakeTimeProvider _clock = new();
    private readonly HttpMessageInvoker _client = new(new FakeServers());
    private readonly ResponseTranscript _kept = new(1024);
    private readonly SlowSource _source = new();
    private readonly byte[] _buffer = new byte[4096];
    private readonly BufferedBytes _held = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _client.Dispose();
        _kept.Dispose();
        _held.Dispose();
        _source.Dispose();
    }

    [Fact]
    public async Task GiveUp_WaitingForInstance_StreamTaken()
    {
        var (attempt, stream) = await OpenAsync();
        await PassAsync(stream, Begin);
        var reading = stream.ReadAsync(_buffer, Token).AsTask();

        attempt.GiveUp(Interruption.Drained);
        _source.Fail();

        Assert.Equal(0, await reading);
        Assert.Equal(Interruption.Drained, attempt.Interrupted);
    }

    [Fact]
    public async Task GiveUp_ClientStillReading_Delayed()
    {
        var (attempt, stream) = await OpenAsync();
        await PassAsync(stream, Begin);

        attempt.GiveUp(Interruption.Drained);

        Assert.Null(attempt.Cause);
        await PassAsync(stream, Begin);
    }

    [Fact]
    public async Task GiveUp_DuringToolCall_Stays()
    {
        var (attempt, stream) = await OpenAsync();
        await PassAsync(stream, Call);
        var reading = stream.ReadAsync(_buffer, Token).AsTask();

        attempt.GiveUp(Interruption.Drained);

        Assert.Null(attempt.Cause);
        _source.Complete(End);
        Assert.Equal(End, Encoding.UTF8.GetString(_buffer, 0, await reading));
    }

    [Fact]
    public async Task GiveUp_ToolCallArrivesConcurrently_Stays()
    {
        var (attempt, stream) = await OpenAsync();
        await PassAsync(stream, Begin);
        var reading = stream.ReadAsync(_buffer, Token).AsTask();

        attempt.GiveUp(Interruption.Drained);
        Assert.Equal(Interruption.Drained, attempt.Cause);
        _source.Complete(Call); // the read completed before its cancellation

        Assert.Equal(Call, Encoding.UTF8.GetString(_buffer, 0, await reading));
        await PassAsync(stream, End);
        Assert.Null(attempt.Interrupted);
        Assert.Null(attempt.Withdrawn);
        Assert.True(attempt.IsComplete);
    }

    [Theory]
    [InlineData("""{"model":"a","format":"json"}""", false)]
    [InlineData("""{"model":"a","a":1,"a":2}""", false)]
    [InlineData("""{"model":"a"}""", true)]
    public async Task IsYes_Request_IfResumable(string body, bool can)
    {
        var (attempt, stream) = await OpenAsync(body);
        await PassAsync(stream, Begin);
        Assert.Equal(can, attempt.Stall!.Feasibility!.IsFeasible(attempt));
        (attempt, _) = await OpenAsync(body, bound: true);
        Assert.False(attempt.Stall!.Feasibility!.IsFeasible(attempt));
        attempt.Close();
        Assert.False(attempt.Peek(static _ => true)); // the attempt is not inspected any more
    }

    /// <summary>Passes on one message.</summary>
    private async Task PassAsync(PassthroughStream stream, string line)
    {
        var reading = stream.ReadAsync(_buffer, Token).AsTask();
        _source.Complete(line);
        Assert.Equal(line, Encoding.UTF8.GetString(_buffer, 0, await reading));
    }

    private async Task<(ForwardAttempt Attempt, PassthroughStream Stream)> OpenAsync(string body = """{"model":"a"}""", bool bound = false)
    {
        var builder = new FleetBuilder().With("i").With("j");
        builder.Build();
        var context = new DefaultHttpContext();
        context.Request.Body = new MemoryStream(Encoding.UTF8.GetBytes(body));
        var call = TestCalls.Create(
            model: FleetBuilder.Key("a"), facts: new RequestFacts { Model = "a" }, body: await ReplayableBody.ReadAsync(context.Request, 1000, Token));
        call.Response.Transcript = _kept;
        var attempt = TestCalls.Attempt(call, InstanceLease.WithoutSlot(builder.Placement("i"), _clock), _clock, gone: Token, isBound: bound);
        Assert.True(attempt.TryBegin());
        var fleet = new FakeFleet();
        var questions = new InstanceQueries(_client, fleet, Options.Create(new ResumptionOptions()), _clock);
        attempt.ObserveStall().Feasibility = ResumeFeasibility.Examine(attempt, builder["j"], new TemplateProbe(questions, fleet));
        return (attempt, new PassthroughStream(_source, _held, ResponseReader.For(call.Operation, _kept)!, _kept, attempt, () => ResponseWriter.For(call.ResponseContext, _kept, _clock)));
    }

    /// <summary>A source whose reads end only when the test ends them, even after a cancellation.</summary>
    private sealed class SlowSource : MemoryStream
    {
        private TaskCompletionSource<byte[]> _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Complete(string text) => _next.SetResult(Encoding.UTF8.GetBytes(text));

        public void Fail() => _next.SetException(new OperationCanceledException());

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var bytes = await _next.Task;
            _next = new TaskCompletionSource<byte[]>(TaskCreationOptions.RunContinuationsAsynchronously);
            bytes.CopyTo(buffer);
            return bytes.Length;
        }
    }
}
