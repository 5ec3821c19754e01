using System.Net;
using OllamaBridge.Gateway.Resumption.Liveness;

namespace OllamaBridge.Gateway.Tests.Resumption.Liveness;

/// <summary>Metrics in the formats of vLLM, SGLang and llama-server.</summary>
public class EngineActivityTests
{
    private readonly EngineActivity _engine = new();

    [Theory]
    [InlineData("vllm:kv_cache_usage_perc{engine=\"0\",model_name=\"m\"}")]
    [InlineData("sglang:num_used_tokens{model_name=\"m\"}")]
    [InlineData("llamacpp:n_decode_total")]
    [InlineData("llamacpp:prompt_tokens_total")]
    public void Add_MetricsChange_Active(string name)
    {
        Assert.False(Metrics($"{name} 1"));
        Assert.True(_engine.IsReadable);
        Assert.False(Metrics($"{name} 2")); // may have been caused by the probe itself
        Assert.True(Metrics($"{name} 3"));
        Assert.False(Metrics($"{name} 3"));
        Assert.True(Metrics($"{name} 4"));
    }

    [Fact]
    public void Add_OnlyHttpMetricsChange_Inactive()
    {
        for (var i = 0; i < 5; i++)
            Assert.False(Metrics($"# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running 1\nhttp_requests_total {i}\nprocess_cpu_seconds_total {i}"));
        Assert.True(_engine.IsReadable);
    }

    [Theory]
    [InlineData(HttpStatusCode.NotFound, "")]
    [InlineData(HttpStatusCode.NotImplemented, """{"error":{"code":501,"message":"This server does not support metrics endpoint."}}""")]
    [InlineData(HttpStatusCode.OK, "http_requests_total 1")]
    [InlineData(HttpStatusCode.OK, "tgi_batch_current_size 1")] // changes with requests only
    [InlineData(HttpStatusCode.OK, "<html>vllm:x</html>")]
    public void Add_NoMetrics_SlotsUsedInstead(HttpStatusCode status, string body)
    {
        Assert.False(_engine.Add(status, body));
        Assert.Equal("/slots", _engine.Path);
        Assert.False(_engine.IsReadable);
        // The loop that runs the model has responded.
        Assert.True(_engine.Add(HttpStatusCode.OK, """[{"id":0,"is_processing":true}]"""));
        Assert.True(_engine.IsReadable);
    }

    [Fact]
    public void Add_NeitherRoute_Unknown()
    {
        _engine.Add(HttpStatusCode.NotFound, "");
        Assert.False(_engine.Add(HttpStatusCode.NotFound, "{}"));
        Assert.Null(_engine.Path);
        Assert.False(_engine.IsReadable);
    }

    private bool Metrics(string body) => _engine.Add(HttpStatusCode.OK, body);
}
