using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Testing;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Forwarding;
using OllamaBridge.Testing.Queueing;

namespace OllamaBridge.Gateway.Tests.Forwarding;

public sealed class HeartbeatEndTests
{
    /// <summary>Kestrel aborts the connection after a cancelled write, so the following response would be lost.</summary>
    [Fact]
    public async Task Dispose_DuringWrite_WaitsWithoutCancelling()
    {
        using var queue = new QueueHarness(new FleetBuilder().With("a"), new QueueOptions());
        var clock = new FakeTimeProvider();
        var client = new SlowClient();
        var context = new DefaultHttpContext();
        context.Response.Body = client;
        var call = TestCalls.Create();
        using var response = RestartableResponse.For(context);
        var heartbeat = Heartbeat.Start(context, call, queue.Queue, TimeSpan.FromSeconds(1), clock);
        await Eventually.BecomesAsync(
            () =>
            {
                clock.Advance(TimeSpan.FromSeconds(1));
                return client.Tokens.Count == 1;
            },
            TimeSpan.FromSeconds(20));

        var ended = heartbeat.DisposeAsync().AsTask();

        Assert.False(ended.IsCompleted);
        client.Read();
        await ended.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        Assert.Equal(2, client.Tokens.Count);
        Assert.All(client.Tokens, token => Assert.False(token.IsCancellationRequested));
    }

    /// <summary>A stream that completes a write only when the test allows it.</summary>
    private sealed class SlowClient : MemoryStream
    {
        private readonly TaskCompletionSource _read = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>The cancellation tokens of all writes and flushes.</summary>
        public List<CancellationToken> Tokens { get; } = [];

        public void Read() => _read.SetResult();

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Tokens.Add(cancellationToken);
            await _read.Task;
        }

        public override Task FlushAsync(CancellationToken cancellationToken)
        {
            Tokens.Add(cancellationToken);
            return Task.CompletedTask;
        }
    }
}
