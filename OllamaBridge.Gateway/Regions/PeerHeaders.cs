using System.Net.Http.Headers;
using OllamaBridge.Gateway.Admission;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Forwarding.Continuation;

namespace OllamaBridge.Gateway.Regions;

/// <summary>What two bridges say to each other in headers, and what of it is not for the client.</summary>
internal static class PeerHeaders
{
    // Limits that the peer's tenant has, which is this region.
    private static readonly string[] Limits = ["x-ratelimit-", "anthropic-ratelimit-", "x-should-retry"];

    /// <summary>Adds what the client has said to this bridge and holds there as well.</summary>
    /// <param name="headers">The outgoing request's headers, cleaned.</param>
    /// <param name="attempt">The sending.</param>
    public static void Complete(HttpRequestHeaders headers, ForwardAttempt attempt)
    {
        if (attempt.Call.Priority == Identity.Priority.Batch)
            headers.TryAddWithoutValidation(Urgency.PriorityHeader, "batch");
        if (attempt.IsBoundToInstance)
            headers.TryAddWithoutValidation(ContinuationOptions.Header, ContinuationOptions.Off);
    }

    /// <summary>Takes out of a peer's answer what is between the bridges.</summary>
    /// <param name="headers">The answer's headers.</param>
    /// <param name="peer">The peer.</param>
    /// <returns>Who answered: the region and, where the peer says it, which instance there: <c>us-east/ollama-2</c>.</returns>
    public static string Clean(HttpResponseHeaders headers, Instance peer)
    {
        var there = headers.NonValidated.TryGetValues(AnswerTransformer.InstanceHeader, out var names) ? names.ToString() : "";
        List<string>? remove = null;
        foreach (var (name, _) in headers.NonValidated)
            if (name.StartsWith(HeaderHygiene.InternalPrefix, StringComparison.OrdinalIgnoreCase)
                ? !name.Equals(AnswerTransformer.ModelHeader, StringComparison.OrdinalIgnoreCase)
                : Array.Exists(Limits, l => name.StartsWith(l, StringComparison.OrdinalIgnoreCase)))
                (remove ??= []).Add(name);
        foreach (var name in remove ?? [])
            headers.Remove(name);
        return InstanceDefinitions.IsName(there) ? $"{peer.Name}/{there}" : peer.Name;
    }
}
