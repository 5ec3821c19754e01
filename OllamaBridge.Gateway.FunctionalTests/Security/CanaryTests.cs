using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Text;
using Microsoft.Extensions.Logging;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Simulator;

namespace OllamaBridge.Gateway.FunctionalTests.Security;

/// <summary>A prompt and a key, sent through every route, error and failure, appear in no log, trace, metric or error.</summary>
[Collection(nameof(Alone))]
public sealed class CanaryTests
{
    private const string Prompt = "canary-prompt-5d1e";

    private static readonly (string Path, string Body)[] Requests =
    [
        ("/api/chat", """{"model":"deepseek-r1:7b","messages":[{"role":"user","content":"canary-prompt-5d1e"}],"stream":STREAM,"options":{"num_predict":4}}"""),
        ("/api/generate", """{"model":"deepseek-r1:7b","prompt":"canary-prompt-5d1e","stream":STREAM,"options":{"num_predict":4}}"""),
        ("/api/embed", """{"model":"deepseek-r1:7b","input":"canary-prompt-5d1e"}"""),
        ("/v1/chat/completions", """{"model":"deepseek-r1:7b","messages":[{"role":"user","content":"canary-prompt-5d1e"}],"stream":STREAM,"max_tokens":4}"""),
        ("/v1/completions", """{"model":"deepseek-r1:7b","prompt":"canary-prompt-5d1e","stream":STREAM,"max_tokens":4}"""),
        ("/v1/embeddings", """{"model":"deepseek-r1:7b","input":"canary-prompt-5d1e"}"""),
        ("/v1/messages", """{"model":"deepseek-r1:7b","max_tokens":4,"messages":[{"role":"user","content":"canary-prompt-5d1e"}],"stream":STREAM}"""),
        ("/v1/responses", """{"model":"deepseek-r1:7b","input":"canary-prompt-5d1e","stream":STREAM}"""),
        // Invalid bodies, with the prompt in an unexpected place.
        ("/api/chat", """{"model":"deepseek-r1:7b","messages":"canary-prompt-5d1e"}"""),
        ("/api/chat", """{"model":"deepseek-r1:7b","messages":[{"role":"user","content":"canary-prompt-5d1e"}"""),
        ("/v1/chat/completions", """{"model":"nobody-has-it","messages":[{"role":"user","content":"canary-prompt-5d1e"}]}"""),
        ("/v1/messages", """{"model":7,"messages":[{"role":"user","content":"canary-prompt-5d1e"}]}"""),
        ("/api/delete", """{"model":"deepseek-r1:7b","reason":"canary-prompt-5d1e"}"""),
        ("/nowhere", "canary-prompt-5d1e"),
    ];

    private static readonly Fault?[] Failures =
    [
        null,
        new Fault { Kind = FaultKind.Status, Status = 500 },
        new Fault { Kind = FaultKind.Status, Status = 503 },
        new Fault { Kind = FaultKind.ResetBeforeHeaders },
        new Fault { Kind = FaultKind.CutAfterTokens, AfterTokens = 2 },
    ];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task EveryRouteAndFailure_PromptAndKey_OnlyInResponses()
    {
        var (key, verifier) = ApiKey.Create();
        var (wrong, _) = ApiKey.Create();
        var spans = new ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = _ => true,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = spans.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        await using var fleet = await TestFleet.StartAsync(2);
        await using var bridge = await TestBridge.StartAsync(
            fleet.Servers,
            ("Bridge:Tenants:team:Keys:0", verifier.ToString()),
            ("Logging:LogLevel:Default", nameof(LogLevel.Trace)),
            ("Bridge:Queue:MaxWaitWithoutInstance", "00:00:00.2"),
            ("Bridge:Health:RequestFailuresToEject", "1000"));
        var errors = new List<string>();

        foreach (var failure in Failures)
        {
            foreach (var server in fleet.Servers)
            {
                server.Faults.Clear();
                if (failure is not null)
                    server.Faults.Add(failure);
            }

            foreach (var (path, body) in Requests)
                foreach (var stream in body.Contains("STREAM", StringComparison.Ordinal) ? new[] { "true", "false" } : ["false"])
                    await SendAsync(bridge, path, body.Replace("STREAM", stream, StringComparison.Ordinal), key, errors);
        }

        // Three only, because responses to further wrong keys are delayed.
        foreach (var (path, body) in new[] { Requests[0], Requests[3], Requests[6] })
            await SendAsync(bridge, path, body.Replace("STREAM", "false", StringComparison.Ordinal), wrong, errors);

        Assert.Contains(errors, e => e.Contains("401", StringComparison.Ordinal));
        Assert.Contains(errors, e => e.Contains("502", StringComparison.Ordinal) || e.Contains("500", StringComparison.Ordinal));
        var metrics = await bridge.Client.GetStringAsync("/metrics", Token);
        Assert.Contains("ollama_requests_total", metrics, StringComparison.Ordinal);
        Assert.NotEmpty(spans);
        foreach (var canary in new[] { Prompt, Secret(key), Secret(wrong), verifier.ToString().Split('.')[2] })
        {
            Assert.DoesNotContain(bridge.Logs.Lines, l => l.Contains(canary, StringComparison.Ordinal));
            Assert.DoesNotContain(canary, metrics, StringComparison.Ordinal);
            Assert.DoesNotContain(errors, e => e.Contains(canary, StringComparison.Ordinal));
            Assert.DoesNotContain(spans, s => Texts(s).Any(t => t.Contains(canary, StringComparison.Ordinal)));
        }
    }

    private static async Task SendAsync(TestBridge bridge, string path, string body, string key, List<string> errors)
    {
        using var request = new HttpRequestMessage(path == "/api/delete" ? HttpMethod.Delete : HttpMethod.Post, path)
        {
            Content = new StringContent(body, Encoding.UTF8, "application/json"),
        };
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {key}");
        try
        {
            using var answer = await bridge.Client.SendAsync(request, Token);
            var text = await answer.Content.ReadAsStringAsync(Token);
            if (answer.StatusCode >= HttpStatusCode.BadRequest)
                errors.Add($"{(int)answer.StatusCode} {text} {answer.Headers}");
        }
        catch (HttpRequestException e)
        {
            errors.Add(e.Message);
        }
    }

    private static string Secret(string key) => key[(ApiKey.Prefix.Length + ApiKey.IdLength + 1)..];

    private static IEnumerable<string> Texts(Activity span) =>
        span.TagObjects.Concat(span.Events.SelectMany(e => e.Tags)).Select(t => t.Value?.ToString() ?? "").Append(span.DisplayName);
}
