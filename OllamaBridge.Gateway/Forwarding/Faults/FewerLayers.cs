using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Resumption;

namespace OllamaBridge.Gateway.Forwarding.Faults;

/// <summary>Reduces the layers on the GPU for a request for which no instance has enough memory: once, if the model's settings allow it.</summary>
internal sealed class FewerLayers(ModelChains chains, InstanceQueries questions, ILogger<FewerLayers> logger)
{
    private const string BlockCount = ".block_count";

    public async ValueTask<bool> TryApplyAsync(ForwardedCall call, FailedAttempts faults, Instance instance, CancellationToken cancellationToken)
    {
        if (faults.HasFewerLayers || call.Body is not { } body || call.Operation.Protocol != Protocol.Ollama
            || chains.Find(call.Model.Key) is not { OnMemoryFailure: MemoryFailureAction.FewerLayers } || body.Read(Parse) is not { } request)
            return false;
        faults.HasFewerLayers = true;
        var options = request["options"] as JsonObject ?? [];
        var asked = options["num_gpu"] is JsonValue value && value.TryGetValue(out long layers) ? layers : (long?)null;
        if (Reduce(asked, await CountLayersAsync(call, instance, cancellationToken)) is not { } fewer)
            return false;
        options["num_gpu"] = fewer;
        if (options.Parent is null)
            request["options"] = options;
        // The changed request is a different one: its result is no evidence about the failed request.
        faults.End();
        body.Replace(0, body.ReceivedLength, Encoding.UTF8.GetBytes(request.ToJsonString()));
        FaultLog.FewerLayers(logger, call.Model.Key, instance.Name, fewer);
        return true;
    }

    /// <param name="asked">The request's <c>num_gpu</c>; null or negative for as many as fit.</param>
    /// <param name="layers">The model's number; null if unknown.</param>
    /// <returns>Null if there is nothing to reduce, or the number is unknown.</returns>
    public static long? Reduce(long? asked, long? layers)
    {
        var most = asked is >= 0 ? Math.Min(asked.Value, layers ?? long.MaxValue) : layers;
        return most is > 0 ? most / 2 : null;
    }

    private static JsonObject? Parse(ReadOnlySequence<byte> body)
    {
        try
        {
            var reader = new Utf8JsonReader(body);
            return JsonNode.Parse(ref reader) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private async Task<long?> CountLayersAsync(ForwardedCall call, Instance instance, CancellationToken cancellationToken)
    {
        var show = await questions.AskAsync(instance, "/api/show", new JsonObject { ["model"] = call.Model.SentName }, cancellationToken);
        foreach (var (name, value) in show?["model_info"] as JsonObject ?? [])
            if (name.EndsWith(BlockCount, StringComparison.Ordinal) && value is JsonValue number && number.TryGetValue(out long count))
                return count;
        return null;
    }
}
