using OllamaBridge.Hosting;

namespace OllamaBridge.AppHost;

/// <summary>Selects the kind of the instances.</summary>
internal static class BackendChoice
{
    /// <summary>The kind of the instances and the reason for it.</summary>
    /// <param name="setting">The setting <c>Fleet:Backend</c>.</param>
    /// <param name="publish">Whether the application is published: a platform runs containers.</param>
    /// <param name="hasUrls">Whether addresses of running servers are given.</param>
    /// <param name="hasContainers">Whether this build can run containers.</param>
    /// <param name="host">The machine.</param>
    public static Choice<FleetBackend> Of(FleetBackend setting, bool publish, bool hasUrls, bool hasContainers, IHostProbe host)
    {
        if (setting == FleetBackend.External || (setting == FleetBackend.Auto && hasUrls))
            return new(FleetBackend.External, "addresses are given");
        if (publish)
            return new(FleetBackend.Container, "a platform runs containers");
        if (setting != FleetBackend.Auto)
            return new(setting, "Fleet:Backend names it");
        if (hasContainers && host.ContainerRuntime is { } runtime)
            return new(FleetBackend.Container, $"{runtime} answers");
        var without = hasContainers
            ? "no container runtime answers"
            : "this build has no containers (CommunityToolkit.Aspire.Hosting.Ollama could not be restored)";
        return host.HasProgram("ollama")
            ? new(FleetBackend.Executable, $"{without}, ollama is on PATH")
            : new(FleetBackend.Simulator, $"{without}, ollama is not on PATH: answers are simulated");
    }
}
