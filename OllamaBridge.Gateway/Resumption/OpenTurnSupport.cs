using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>
/// Detects OpenAI servers that continue an open assistant turn: vLLM and SGLang with the field <c>continue_final_message</c>, llama-server without
/// it. Other servers ignore the field and would write a new response, so they never get the request. The owner in <c>/v1/models</c> names the server.
/// </summary>
internal sealed class OpenTurnSupport
{
    private static readonly string[] Owners = ["vllm", "sglang", "llamacpp", "llama.cpp"];
    private readonly ConditionalWeakTable<Instance, object> _known = new();

    /// <summary>
    /// Whether an instance continues open turns. <paramref name="list"/> requests its list of models; its null for no response is not remembered.
    /// </summary>
    public async Task<bool> LearnAsync(Instance instance, Func<Task<JsonObject?>> list)
    {
        if (_known.TryGetValue(instance, out var known))
            return (bool)known;
        if (await list() is not { } models)
            return false;
        var opens = models["data"] is JsonArray data && data.Any(m => m?["owned_by"] is JsonValue owner && owner.TryGetValue(out string? name) && Owners.Contains(name, StringComparer.OrdinalIgnoreCase));
        _known.AddOrUpdate(instance, opens);
        return opens;
    }
}
