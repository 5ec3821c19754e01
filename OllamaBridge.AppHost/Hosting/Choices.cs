namespace OllamaBridge.Hosting;

/// <summary>A choice and the words that say why.</summary>
internal readonly record struct Choice<T>(T Value, string Reason);

/// <summary>What <c>Auto</c> comes to on a machine.</summary>
internal static class Choices
{
    /// <summary>What the instances are.</summary>
    /// <param name="wanted">The setting.</param>
    /// <param name="publish">Whether a manifest is written, not something started: a platform runs containers.</param>
    /// <param name="hasUrls">Whether addresses of running servers were given.</param>
    /// <param name="host">The machine.</param>
    public static Choice<FleetBackend> Backend(FleetBackend wanted, bool publish, bool hasUrls, IHostProbe host)
    {
        if (wanted == FleetBackend.External || (wanted == FleetBackend.Auto && hasUrls))
            return new(FleetBackend.External, "addresses were given");
        if (publish)
            return new(FleetBackend.Container, "a platform runs containers");
        if (wanted != FleetBackend.Auto)
            return new(wanted, "Fleet:Backend says so");
        if (host.ContainerRuntime is { } runtime)
            return new(FleetBackend.Container, $"{runtime} answers");
        return host.HasProgram("ollama")
            ? new(FleetBackend.Executable, "no container runtime answers, ollama is on PATH")
            : new(FleetBackend.Simulator, "no container runtime answers, ollama is not on PATH: answers are made up");
    }

    /// <summary>Where gateways keep what they share.</summary>
    public static Choice<StateBackend> State(StateBackend wanted, bool publish, IHostProbe host)
    {
        if (publish)
            return new(StateBackend.Container, "a platform runs containers");
        if (wanted != StateBackend.Auto)
            return new(wanted, "Fleet:State says so");
        if (host.ContainerRuntime is { } runtime)
            return new(StateBackend.Container, $"{runtime} answers");
        return host.HasProgram("redis-server")
            ? new(StateBackend.Executable, "no container runtime answers, redis-server is on PATH")
            : new(StateBackend.Embedded, "no container runtime answers, redis-server is not on PATH");
    }

    /// <summary>Whose GPUs are used, and which.</summary>
    public static Choice<GpuPlan> Gpus(GpuSettings wanted, bool publish, IHostProbe host)
    {
        var vendor = wanted.Vendor;
        var reason = "Fleet:Gpus:Vendor says so";
        if (vendor == GpuVendor.Auto)
        {
            // What is published must not depend on the machine that publishes.
            (vendor, reason) = publish ? (GpuVendor.None, "the platform assigns GPUs")
                : host.NvidiaGpus > 0 ? (GpuVendor.Nvidia, "nvidia-smi lists them")
                : host.AmdGpus > 0 ? (GpuVendor.Amd, "/dev/kfd is there")
                : (GpuVendor.None, "none was found");
        }

        if (vendor == GpuVendor.None)
            return new(GpuPlan.None, reason);
        var devices = wanted.DeviceList;
        if (devices.Count == 0)
        {
            var found = publish ? 1 : Math.Max(1, vendor == GpuVendor.Nvidia ? host.NvidiaGpus : host.AmdGpus);
            devices = [.. Enumerable.Range(0, found).Select(i => i.ToString(System.Globalization.CultureInfo.InvariantCulture))];
        }

        return new(new GpuPlan(vendor, devices), reason);
    }
}

/// <summary>The GPUs that instances get, one each, in turn.</summary>
/// <param name="Vendor">Whose; never <see cref="GpuVendor.Auto"/>.</param>
/// <param name="Devices">Numbers or UUIDs.</param>
internal sealed record GpuPlan(GpuVendor Vendor, IReadOnlyList<string> Devices)
{
    public static GpuPlan None { get; } = new(GpuVendor.None, []);

    /// <summary>The device of the n-th instance, from 0; null without GPUs.</summary>
    public string? DeviceOf(int instance) => Devices.Count == 0 ? null : Devices[instance % Devices.Count];

    /// <summary>What a container runtime is told so that a container sees that device.</summary>
    /// <remarks>
    /// Docker: <c>--gpus device=…</c>. Podman: the Container Device Interface's name. ROCm has no device argument of its own: the
    /// container gets the driver's nodes, and <see cref="EnvironmentOf"/> narrows them to one.
    /// </remarks>
    public IReadOnlyList<string> RuntimeArguments(string? runtime, int instance) => (Vendor, DeviceOf(instance)) switch
    {
        (GpuVendor.Nvidia, { } device) when runtime == "podman" => ["--device", $"nvidia.com/gpu={device}"],
        (GpuVendor.Nvidia, { } device) => ["--gpus", $"device={device}"],
        (GpuVendor.Amd, _) => ["--device", "/dev/kfd", "--device", "/dev/dri"],
        _ => [],
    };

    /// <summary>The variable that narrows a server to one device, where its surroundings show it more.</summary>
    /// <param name="instance">The n-th instance, from 0.</param>
    /// <param name="isContainer">A container that was given one NVIDIA device sees no other, under the number 0.</param>
    public KeyValuePair<string, string>? EnvironmentOf(int instance, bool isContainer) => (Vendor, DeviceOf(instance)) switch
    {
        (GpuVendor.Nvidia, { } device) when !isContainer => new("CUDA_VISIBLE_DEVICES", device),
        (GpuVendor.Amd, { } device) => new("ROCR_VISIBLE_DEVICES", device),
        _ => null,
    };
}
