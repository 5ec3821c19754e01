using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Testing.Streams;

namespace OllamaBridge.Gateway.Tests.Forwarding;

public class RetryBudgetTests
{
    [Fact]
    public void TryWithdraw_BeyondBurst_False()
    {
        var budget = Make(burst: 2);
        Assert.True(budget.TryWithdraw());
        Assert.True(budget.TryWithdraw());
        Assert.False(budget.TryWithdraw());
        Assert.False(budget.TryWithdraw()); // an unsuccessful withdrawal costs nothing
    }

    [Fact]
    public void Deposit_FiveRequests_OneRetry()
    {
        var budget = Make(burst: 1);
        Assert.True(budget.TryWithdraw());
        for (var i = 0; i < 4; i++)
            budget.Deposit();
        Assert.False(budget.TryWithdraw());
        budget.Deposit();
        Assert.True(budget.TryWithdraw());
    }

    [Fact]
    public void Deposit_ManyRequests_LimitedToBurst()
    {
        var budget = Make(burst: 3);
        for (var i = 0; i < 1000; i++)
            budget.Deposit();
        Assert.Equal([true, true, true, false], Enumerable.Range(0, 4).Select(_ => budget.TryWithdraw()));
    }

    [Fact]
    public void TryWithdraw_NoBurst_Never()
    {
        var budget = Make(burst: 0);
        budget.Deposit();
        Assert.False(budget.TryWithdraw());
    }

    [Theory]
    [InlineData(0, false)] // an empty budget by configuration is not reported
    [InlineData(1, true)]
    public void IsEmpty_AllWithdrawn_TrueIfBurst(int burst, bool expected)
    {
        var budget = Make(burst);
        Assert.False(budget.IsEmpty);
        budget.TryWithdraw();
        Assert.Equal(expected, budget.IsEmpty);
    }

    private static RetryBudget Make(int burst) => new(Options.Create(new ForwardingOptions { RetryBurst = burst, RetryRatio = 0.2 }));
}

public class UpstreamErrorClassifierTests
{
    [Theory]
    [InlineData("/api/chat", 404, """{"error":"model 'nope' not found"}""", "StaleCatalog")]
    [InlineData("/api/embed", 404, """{"error":"model \"nope\" not found, try pulling it first"}""", "StaleCatalog")]
    [InlineData("/api/chat", 404, "404 page", "ServerError")] // from a proxy or an older server
    [InlineData("/api/pull", 404, """{"error":"model 'nope' not found"}""", null)] // a pull is for models that are absent
    [InlineData("/api/generate", 500, """{"error":"option \"num_predict\" must be of type integer"}""", "ServerError")] // the status decides, not the message
    [InlineData("/api/generate", 500, """{"error":"invalid format: \"\\\"yaml\\\"\"; expected \"json\" or a valid JSON Schema object"}""", "ServerError")]
    [InlineData("/api/generate", 500, """{"error":"model requires more system memory (9.5 GiB) than is available (2.7 GiB)"}""", "OutOfMemory")]
    [InlineData("/api/embed", 501, """{"error":"this model does not support embeddings"}""", "ServerError")]
    [InlineData("/api/chat", 530, "error code: 1033", "ServerError")]
    [InlineData("/api/chat", 429, """{"error":"slow down"}""", "ServerError")]
    [InlineData("/api/chat", 302, "", "ServerError")]
    [InlineData("/api/chat", 403, "<html>Just a moment...</html>", "ServerError")]
    [InlineData("/api/chat", 403, """{"message":"Forbidden"}""", "ServerError")] // from an API gateway
    [InlineData("/v1/chat/completions", 400, """{"error":{"message":"x"}}""", null)]
    [InlineData("/v1/chat/completions", 400, """{"object":"error","message":"x"}""", null)] // older vLLM
    [InlineData("/v1/chat/completions", 422, """{"detail":[{"msg":"x"}]}""", null)] // FastAPI
    [InlineData("/v1/messages", 400, """{"type":"error","error":{"type":"invalid_request_error"}}""", null)]
    [InlineData("/api/generate", 500, """{"error":"model runner has unexpectedly stopped"}""", "ServerError")]
    [InlineData("/api/generate", 500, "", "ServerError")]
    [InlineData("/api/chat", 502, "", "ServerError")]
    [InlineData("/api/chat", 503, "", "ServerError")]
    [InlineData("/api/chat", 504, "", "ServerError")]
    [InlineData("/api/chat", 400, """{"error":"\"x\" does not support thinking"}""", null)]
    [InlineData("/api/chat", 403, "", "ServerError")] // 04-err-bad-host-header: not the client's Host
    [InlineData("/api/chat", 413, "", "ServerError")]
    public void Judge_ErrorResponse_Fault(string path, int status, string body, string? failure)
    {
        var operation = OperationTable.Find(path, out _)!;
        Assert.Equal(failure is null ? null : Enum.Parse<InstanceFailure>(failure), UpstreamErrorClassifier.Judge(operation, status, Encoding.UTF8.GetBytes(body)));
    }

    [Fact]
    public void Judge_Head_ByStatusOnly() =>
        Assert.Null(UpstreamErrorClassifier.Judge(OperationTable.Find("/api/blobs/sha256:0", out _)!, 404, default, isHead: true));

    [Theory]
    [InlineData(503, true)]
    [InlineData(429, true)]
    [InlineData(500, false)]
    [InlineData(502, false)]
    public void IsBusy_Responses_OnlyFullQueue(int status, bool busy) => Assert.Equal(busy, UpstreamErrorClassifier.IsBusy(status));
}

public class HeaderHygieneTests
{
    [Theory]
    [InlineData("Cookie")]
    [InlineData("Accept-Encoding")]
    [InlineData("cookie")]
    [InlineData("Proxy-Authorization")]
    [InlineData("X-Api-Key")]
    [InlineData("Api-Key")]
    [InlineData("Origin")]
    [InlineData("Referer")]
    [InlineData("Forwarded")]
    [InlineData("X-Forwarded-For")]
    [InlineData("X-Real-IP")]
    [InlineData("X-Bridge-Anything")]
    [InlineData("x-bridge-key")]
    [InlineData("Access-Control-Request-Method")]
    [InlineData("Authorization")]
    [InlineData("X-Bridges")]
    [InlineData("X-Auth-Request-Email")]
    [InlineData("X-Auth-User")]
    [InlineData("CF-Connecting-IP")]
    [InlineData("CF-Access-Jwt-Assertion")]
    [InlineData("X-Amzn-Oidc-Data")]
    [InlineData("X-Stainless-Lang")]
    [InlineData("Set-Cookie")]
    public void Clean_NotForInstance_Removed(string name) => Assert.Empty(Names(name, passAuthorization: false));

    [Theory]
    [InlineData("Accept")]
    [InlineData("User-Agent")]
    [InlineData("traceparent")]
    [InlineData("anthropic-version")]
    [InlineData("OpenAI-Beta")]
    public void Clean_Needed_Kept(string name) => Assert.Equal([name], Names(name, passAuthorization: false), StringComparer.OrdinalIgnoreCase);

    [Fact]
    public void Clean_AuthorizationForwarded_Kept() => Assert.Equal(["Authorization"], Names("Authorization", passAuthorization: true));

    [Theory]
    [InlineData("close, X-Request-Id")]
    [InlineData("x-request-id")]
    [InlineData("keep-alive ,X-REQUEST-ID,")]
    public void Clean_NamedByConnection_Removed(string connection)
    {
        using var request = new HttpRequestMessage();
        request.Headers.TryAddWithoutValidation("X-Request-Id", "1");
        request.Headers.TryAddWithoutValidation("Accept", "text/plain");
        HeaderHygiene.Clean(request.Headers, false, connection);
        Assert.Equal(["Accept"], request.Headers.NonValidated.Select(h => h.Key));
    }

    [Fact]
    public void Clean_Response_OnlyServersHeaders()
    {
        using var response = new HttpResponseMessage { Content = new ByteArrayContent([1]) };
        foreach (var name in (string[])["Set-Cookie", "Access-Control-Allow-Origin", "Strict-Transport-Security", "Location", "Alt-Svc", "Server", "X-Powered-By", "WWW-Authenticate", "Link", "Vary", "X-Bridge-Instance", "Date", "Retry-After"])
            response.Headers.TryAddWithoutValidation(name, "1");
        foreach (var name in (string[])["Content-Type", "Content-Length", "Content-Security-Policy", "Content-Disposition", "Last-Modified", "Expires"])
            response.Content.Headers.TryAddWithoutValidation(name, "1");
        HeaderHygiene.Clean(response);
        Assert.Equal(["Date", "Retry-After"], response.Headers.NonValidated.Select(h => h.Key).Order());
        Assert.Equal(["Content-Length", "Content-Type"], response.Content.Headers.NonValidated.Select(h => h.Key).Order());
    }

    [Fact]
    public void Clean_Host_InstancesHost()
    {
        using var request = new HttpRequestMessage();
        request.Headers.Host = "evil.example";
        HeaderHygiene.Clean(request.Headers, false);
        Assert.Null(request.Headers.Host);
    }

    private static string[] Names(string name, bool passAuthorization)
    {
        using var request = new HttpRequestMessage();
        request.Headers.TryAddWithoutValidation(name, "100-continue");
        HeaderHygiene.Clean(request.Headers, passAuthorization);
        return [.. request.Headers.NonValidated.Select(h => h.Key)];
    }
}

public class BufferedBytesTests
{
    [Fact]
    public void ReadAndTake_AnySizes_SameBytes() => Prop.ForAll(
        ArbMap.Default.ArbFor<byte[]>(), Gen.Choose(1, 7).ToArbitrary(), Gen.Choose(1, 5000).ToArbitrary(), (bytes, piece, room) =>
        {
            using var held = new BufferedBytes();
            using var source = new PiecesStream(bytes.Chunk(piece));
            while (held.ReadOnceAsync(source, room, CancellationToken.None).AsTask().GetAwaiter().GetResult() > 0)
            {
                // Reads to the end.
            }

            var read = held.Length == bytes.Length && held.Span.SequenceEqual(bytes);
            var taken = new List<byte>();
            var buffer = new byte[3];
            for (var n = held.Take(buffer); n > 0; n = held.Take(buffer))
                taken.AddRange(buffer[..n]);
            return read && taken.SequenceEqual(bytes) && held.Length == 0;
        }).Check(Config.QuickThrowOnFailure.WithQuietOnSuccess(true));

    [Fact]
    public async Task ReadOnce_AfterTake_Appends()
    {
        using var held = new BufferedBytes();
        using var source = new PiecesStream(["abc"u8.ToArray(), "def"u8.ToArray()]);
        await held.ReadOnceAsync(source, 16, TestContext.Current.CancellationToken);
        Assert.Equal(2, held.Take(new byte[2]));
        await held.ReadOnceAsync(source, 100_000, TestContext.Current.CancellationToken);
        Assert.Equal("cdef", Encoding.UTF8.GetString(held.Span));
    }

    [Fact]
    public async Task ReadOnce_NeverFullyTaken_KeepsOnlyRemainder()
    {
        using var held = new BufferedBytes();
        var source = new MemoryStream([.. Enumerable.Range(0, 1_000_000).Select(i => (byte)i)]);
        var all = new List<byte>();
        var buffer = new byte[4096];
        var most = 0;
        // One byte always stays, as an incomplete message does.
        while (await held.ReadOnceAsync(source, 4096, TestContext.Current.CancellationToken) > 0)
        {
            most = Math.Max(most, held.Capacity);
            while (held.Length > 1)
                all.AddRange(buffer[..held.Take(buffer.AsSpan(0, Math.Min(buffer.Length, held.Length - 1)))]);
        }

        all.AddRange(held.Span.ToArray());
        Assert.Equal(source.ToArray(), all);
        Assert.InRange(most, 4096, 16 * 1024);
    }

    [Fact]
    public async Task Cut_AfterTake_KeepsFirstBytes()
    {
        using var held = new BufferedBytes();
        using var source = new MemoryStream("0123456789"u8.ToArray());
        await held.ReadOnceAsync(source, 64, TestContext.Current.CancellationToken);
        held.Skip(2);
        held.Cut(3);
        Assert.Equal("234"u8, held.Span);
    }
}
