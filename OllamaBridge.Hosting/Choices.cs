using Aspire.Hosting;

namespace OllamaBridge.Hosting;

/// <summary>A choice and its reason.</summary>
internal readonly record struct Choice<T>(T Value, string Reason);

/// <summary>Selects the values for <c>Auto</c> on a machine.</summary>
internal static class Choices
{
    /// <summary>The store that gateways share.</summary>
    public static Choice<BridgeStateBackend> State(BridgeStateBackend wanted, bool publish, IHostProbe host)
    {
        if (publish)
            return new(BridgeStateBackend.Container, "a platform runs containers");
        if (wanted != BridgeStateBackend.Auto)
            return new(wanted, "the application names it");
        if (host.ContainerRuntime is { } runtime)
            return new(BridgeStateBackend.Container, $"{runtime} answers");
        return host.HasProgram("redis-server")
            ? new(BridgeStateBackend.Executable, "no container runtime answers, redis-server is on PATH")
            : new(BridgeStateBackend.Embedded, "no container runtime answers, redis-server is not on PATH");
    }

    /// <summary>The GPUs of the instances.</summary>
    public static Choice<GpuPlan> Gpus(BridgeGpuOptions wanted, bool publish, IHostProbe host)
    {
        var vendor = wanted.Vendor;
        var reason = "the application names it";
        if (vendor == BridgeGpuVendor.Auto)
        {
            // A published application must not depend on the machine that publishes it.
            (vendor, reason) = publish ? (BridgeGpuVendor.None, "the platform assigns GPUs")
                : host.NvidiaGpus > 0 ? (BridgeGpuVendor.Nvidia, "nvidia-smi lists them")
                : host.AmdGpus > 0 ? (BridgeGpuVendor.Amd, "/dev/kfd exists")
                : (BridgeGpuVendor.None, "no GPU was found");
        }

        if (vendor == BridgeGpuVendor.None)
            return new(GpuPlan.None, reason);
        var devices = wanted.Devices;
        if (devices.Count == 0)
        {
            var found = publish ? 1 : Math.Max(1, vendor == BridgeGpuVendor.Nvidia ? host.NvidiaGpus : host.AmdGpus);
            devices = [.. Enumerable.Range(0, found).Select(i => i.ToString(System.Globalization.CultureInfo.InvariantCulture))];
        }

        return new(new GpuPlan(vendor, devices), reason);
    }
}

/// <summary>The GPUs of the instances. Each instance gets one, in turn.</summary>
/// <param name="Vendor">The vendor; never <see cref="BridgeGpuVendor.Auto"/>.</param>
/// <param name="Devices">Numbers or UUIDs.</param>
internal sealed record GpuPlan(BridgeGpuVendor Vendor, IReadOnlyList<string> Devices)
{
    public static GpuPlan None { get; } = new(BridgeGpuVendor.None, []);

    /// <summary>The device of the n-th instance, from 0; null without GPUs.</summary>
    public string? DeviceOf(int instance) => Devices.Count == 0 ? null : Devices[instance % Devices.Count];

    /// <summary>The arguments with which a container runtime gives that device to a container.</summary>
    /// <remarks>
    /// Docker: <c>--gpus device=…</c>. Podman: the Container Device Interface's name. ROCm has no device argument of its own: the
    /// container receives the driver's device nodes, and <see cref="EnvironmentOf"/> narrows them to one.
    /// </remarks>
    public IReadOnlyList<string> RuntimeArguments(string? runtime, int instance) => (Vendor, DeviceOf(instance)) switch
    {
        (BridgeGpuVendor.Nvidia, { } device) when runtime == "podman" => ["--device", $"nvidia.com/gpu={device}"],
        (BridgeGpuVendor.Nvidia, { } device) => ["--gpus", $"device={device}"],
        (BridgeGpuVendor.Amd, _) => ["--device", "/dev/kfd", "--device", "/dev/dri"],
        _ => [],
    };

    /// <summary>The variable that restricts a server to one device; null if it sees only that one.</summary>
    /// <param name="instance">The n-th instance, from 0.</param>
    /// <param name="isContainer">Whether the server runs in a container, which sees only the NVIDIA device that it was given.</param>
    public KeyValuePair<string, string>? EnvironmentOf(int instance, bool isContainer) => (Vendor, DeviceOf(instance)) switch
    {
        (BridgeGpuVendor.Nvidia, { } device) when !isContainer => new("CUDA_VISIBLE_DEVICES", device),
        (BridgeGpuVendor.Amd, { } device) => new("ROCR_VISIBLE_DEVICES", device),
        _ => null,
    };
}
