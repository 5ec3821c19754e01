using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>
/// Which OpenAI servers continue an open assistant turn: vLLM and SGLang if they are asked to (<c>continue_final_message</c>), llama-server by
/// itself. Another server ignores the field and would write a new answer, so it is never sent the request. They name themselves in <c>/v1/models</c>.
/// </summary>
internal sealed class OpenTurnSupport
{
    private static readonly string[] Owners = ["vllm", "sglang", "llamacpp", "llama.cpp"];
    private readonly ConditionalWeakTable<Instance, object> _known = new();

    /// <summary>Whether an instance does.</summary>
    /// <param name="instance">The instance.</param>
    /// <param name="list">Asks it for its list of models; null for no answer, which is not remembered.</param>
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
