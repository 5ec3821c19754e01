using System.Net.Http.Headers;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Headers between bridges: adds them to requests and removes them from responses.</summary>
internal static class PeerHeaders
{
    // These describe the quota of the peer's tenant. That tenant is this region, not the client's tenant.
    private static readonly string[] Limits = ["x-ratelimit-", "anthropic-ratelimit-", "x-should-retry"];

    public static void Complete(HttpRequestHeaders headers, ForwardAttempt attempt)
    {
        if (attempt.Call.Wait.Priority == Priority.Batch)
            headers.TryAddWithoutValidation(RequestPriority.PriorityHeader, "batch");
        if (attempt.IsBoundToInstance)
            headers.TryAddWithoutValidation(ResumptionOptions.Header, ResumptionOptions.Off);
    }

    /// <returns>The source of the response: the region and, if the peer names it, the instance, such as <c>us-east/ollama-2</c>.</returns>
    public static string Clean(HttpResponseHeaders headers, Instance peer)
    {
        var there = headers.NonValidated.TryGetValues(ResponseTransformer.InstanceHeader, out var names) ? names.ToString() : "";
        List<string>? remove = null;
        foreach (var (name, _) in headers.NonValidated)
            if (name.StartsWith(HeaderHygiene.InternalPrefix, StringComparison.OrdinalIgnoreCase)
                ? !name.Equals(ResponseTransformer.ModelHeader, StringComparison.OrdinalIgnoreCase)
                : Array.Exists(Limits, l => name.StartsWith(l, StringComparison.OrdinalIgnoreCase)))
                (remove ??= []).Add(name);
        foreach (var name in remove ?? [])
            headers.Remove(name);
        return InstanceDefinitions.IsName(there) ? $"{peer.Name}/{there}" : peer.Name;
    }
}
