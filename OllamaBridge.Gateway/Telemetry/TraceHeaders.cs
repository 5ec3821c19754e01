using System.Diagnostics;
using System.Net.Http.Headers;

namespace OllamaBridge.Gateway.Telemetry;

/// <summary>Tells who is asked which trace it is part of: W3C Trace Context and Baggage, as .NET writes them.</summary>
internal static class TraceHeaders
{
    private static readonly DistributedContextPropagator Propagator = DistributedContextPropagator.CreateDefaultPropagator();

    private static readonly DistributedContextPropagator.PropagatorSetterCallback Set = static (carrier, name, value) =>
    {
        // The client's own is there already: it would be the parent of what follows in the span's place.
        var headers = (HttpRequestHeaders)carrier!;
        headers.Remove(name);
        headers.TryAddWithoutValidation(name, value);
    };

    /// <summary>Writes them. Where nobody traces, what the client sent stays.</summary>
    /// <param name="headers">Of the request that goes out.</param>
    /// <param name="span">What the request is the work of.</param>
    public static void Write(HttpRequestHeaders headers, Activity? span)
    {
        if (span is not null && BridgeTracing.IsHeard(span))
            Propagator.Inject(span, headers, Set);
    }
}
