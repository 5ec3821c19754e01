using System.Diagnostics;
using System.Net.Http.Headers;

namespace OllamaBridge.Gateway.Telemetry;

/// <summary>Writes the trace context of outgoing requests: W3C Trace Context and Baggage, in .NET's format.</summary>
internal static class TraceHeaders
{
    private static readonly DistributedContextPropagator Propagator = DistributedContextPropagator.CreateDefaultPropagator();

    private static readonly DistributedContextPropagator.PropagatorSetterCallback Set = static (carrier, name, value) =>
    {
        // The client's own header is there already; without a replacement the instance's spans would skip this span.
        var headers = (HttpRequestHeaders)carrier!;
        headers.Remove(name);
        headers.TryAddWithoutValidation(name, value);
    };

    /// <summary>Writes the headers. If <paramref name="span"/> is null (no tracing), the client's headers stay.</summary>
    public static void Write(HttpRequestHeaders headers, Activity? span)
    {
        if (span is not null && BridgeTracing.HasListener(span))
            Propagator.Inject(span, headers, Set);
    }
}
