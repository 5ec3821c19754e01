using System.Net;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Testing.Fleet;
using OllamaBridge.Testing.Forwarding;

namespace OllamaBridge.Gateway.Tests.Resumption;

public class TemplateProbeTests
{
    private const string Rendered = """{"_debug_info":{"rendered_template":"<|user|>Why?<|assistant|>"}}""";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Learn_Concurrently_OneQuery()
    {
        var (servers, probe, i, _) = Make();
        var all = Enumerable.Range(0, 20).Select(_ => probe.LearnAsync(Call(), i, null, Token)).ToArray();
        Assert.Single(servers.Open);
        servers.AnswerAll(Rendered);
        Assert.All(await Task.WhenAll(all), Assert.NotNull);
        Assert.NotNull(await probe.LearnAsync(Call(), i, null, Token));
        // The model's description and two rendered templates.
        Assert.Equal(3, servers.Count);
    }

    [Fact]
    public async Task Learn_QueriedInstanceDies_OthersQueriedSeparately()
    {
        var (servers, probe, i, j) = Make();
        var ofI = probe.LearnAsync(Call(), i, null, Token);
        var ofJ = Enumerable.Range(0, 20).Select(_ => probe.LearnAsync(Call(), j, null, Token)).ToArray();
        servers.AnswerAll(Rendered, except: "i");
        Assert.Null(await ofI);
        Assert.All(await Task.WhenAll(ofJ), Assert.NotNull);
        Assert.Equal(1 + 3, servers.Count);
    }

    private static (Servers Servers, TemplateProbe Probe, Instance I, Instance J) Make()
    {
        var builder = new FleetBuilder().With("i").With("j");
        var fleet = new FakeFleet();
        fleet.Publish(builder.Build());
        var servers = new Servers();
        var questions = new InstanceQueries(new HttpMessageInvoker(servers), fleet, Options.Create(new ResumptionOptions()), new FakeTimeProvider());
        return (servers, new TemplateProbe(questions, fleet), builder["i"], builder["j"]);
    }

    private static ForwardedCall Call() => TestCalls.Create(model: FleetBuilder.Key("a"), facts: new RequestFacts { Model = "a" });

    /// <summary>Servers that respond when the test allows it.</summary>
    private sealed class Servers : HttpMessageHandler
    {
        private readonly Lock _lock = new();
        private Func<string, string?>? _answer;
        private int _count;

        public List<(string Host, TaskCompletionSource Ready)> Open { get; } = [];

        public int Count => Volatile.Read(ref _count);

        public void AnswerAll(string text, string? except = null)
        {
            lock (_lock)
            {
                _answer = host => host == except ? null : text;
                foreach (var (_, ready) in Open)
                    ready.TrySetResult();
            }
        }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _count);
            var host = request.RequestUri!.Host;
            var ready = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            lock (_lock)
            {
                if (_answer is null)
                    Open.Add((host, ready));
                else
                    ready.SetResult();
            }

            await ready.Task.WaitAsync(cancellationToken);
            return _answer!(host) is { } text
                ? new HttpResponseMessage(HttpStatusCode.OK) { Content = new StringContent(text) }
                : throw new HttpRequestException(HttpRequestError.ResponseEnded);
        }
    }
}
