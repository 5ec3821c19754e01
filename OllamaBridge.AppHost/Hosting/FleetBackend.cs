namespace OllamaBridge.Hosting;

/// <summary>What the instances are.</summary>
public enum FleetBackend
{
    /// <summary>Found out when the application starts: a container runtime, else <c>ollama</c> on PATH, else simulators.</summary>
    Auto,

    /// <summary>Ollama's image, run by Docker or Podman.</summary>
    Container,

    /// <summary><c>ollama serve</c> from PATH, several servers over one model folder.</summary>
    Executable,

    /// <summary>Simulated servers, which need nothing installed.</summary>
    Simulator,

    /// <summary>Servers that run already, given by their addresses.</summary>
    External,
}

/// <summary>Where gateways keep what they share.</summary>
public enum StateBackend
{
    /// <summary>Found out when the application starts: a container runtime, else <c>redis-server</c> on PATH, else the embedded server.</summary>
    Auto,

    /// <summary>Redis' image.</summary>
    Container,

    /// <summary><c>redis-server</c> from PATH.</summary>
    Executable,

    /// <summary>This project's own state server (Microsoft Garnet), which needs nothing installed.</summary>
    Embedded,
}

/// <summary>Whose GPUs the instances use.</summary>
public enum GpuVendor
{
    /// <summary>Found out when the application starts (<c>nvidia-smi</c>, <c>/dev/kfd</c>).</summary>
    Auto,

    /// <summary>No GPU.</summary>
    None,

    /// <summary>NVIDIA: one device for each instance.</summary>
    Nvidia,

    /// <summary>AMD, through ROCm.</summary>
    Amd,
}
