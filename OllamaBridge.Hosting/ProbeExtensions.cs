using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;

namespace OllamaBridge.Hosting;

/// <summary>Probes of a server: how a platform checks that it starts, is ready and is alive.</summary>
internal static class ProbeExtensions
{
    private const int TimeoutSeconds = 5;

    /// <summary>Adds the three probes. Health checks for run mode are the caller's.</summary>
    /// <remarks><c>WithHttpProbe</c> adds a health check for each probe and rejects a second one for the same path.</remarks>
    public static IResourceBuilder<T> WithProbes<T>(this IResourceBuilder<T> server, ProbeSettings startup, ProbeSettings readiness, ProbeSettings liveness)
        where T : IResourceWithEndpoints, IResourceWithProbes =>
        server
            .WithProbe(ProbeType.Startup, startup)
            .WithProbe(ProbeType.Readiness, readiness)
            .WithProbe(ProbeType.Liveness, liveness);

    private static IResourceBuilder<T> WithProbe<T>(this IResourceBuilder<T> server, ProbeType type, ProbeSettings probe)
        where T : IResourceWithEndpoints, IResourceWithProbes =>
        server.WithAnnotation(new EndpointProbeAnnotation
        {
            Type = type,
            EndpointReference = server.GetEndpoint(BridgeModel.HttpEndpoint),
            Path = probe.Path,
            InitialDelaySeconds = 0,
            PeriodSeconds = probe.PeriodSeconds,
            TimeoutSeconds = TimeoutSeconds,
            FailureThreshold = probe.FailureThreshold,
            SuccessThreshold = 1,
        });
}

/// <summary>One HTTP probe.</summary>
/// <param name="Path">The path; status 200 is success.</param>
/// <param name="PeriodSeconds">Seconds between two probes.</param>
/// <param name="FailureThreshold">Failures in a row that count.</param>
internal readonly record struct ProbeSettings(string Path, int PeriodSeconds, int FailureThreshold);
