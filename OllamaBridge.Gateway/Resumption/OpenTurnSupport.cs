using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Servers that continue an open assistant turn, by the owner in <c>/v1/models</c>: vLLM, SGLang, llama-server. Others write a new response.</summary>
internal sealed class OpenTurnSupport
{
    private static readonly string[] Owners = ["vllm", "sglang", "llamacpp", "llama.cpp"];
    private readonly ConditionalWeakTable<Instance, object> _known = new();

    /// <param name="list">Requests the list of models; its null for no response is not remembered.</param>
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
