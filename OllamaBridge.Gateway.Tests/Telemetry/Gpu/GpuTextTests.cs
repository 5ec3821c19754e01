using OllamaBridge.Gateway.Fleet.Gpu;

namespace OllamaBridge.Gateway.Tests.Telemetry.Gpu;

public sealed class GpuTextTests
{
    private const long Mebibyte = 1024 * 1024;

    [Fact]
    public void NvidiaSmi_TwoCards_BothRead()
    {
        var readings = NvidiaSmiCsv.Read("0, 97, 71234, 81559, 64\n1, 0, 4, 81559, 31\n");

        Assert.Equal(
            [new GpuReading("0", 0.97, 71234 * Mebibyte, 81559 * Mebibyte, 64), new GpuReading("1", 0, 4 * Mebibyte, 81559 * Mebibyte, 31)], readings);
    }

    [Fact]
    public void NvidiaSmi_UnsupportedFigure_AbsentInsteadOfZero() =>
        Assert.Equal([new GpuReading("0", null, null, 16384 * Mebibyte, null)], NvidiaSmiCsv.Read("0, [N/A], [Not Supported], 16384, [Unknown Error]"));

    [Theory]
    [InlineData("")]
    [InlineData("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.")]
    [InlineData("a, b, c, d, e\n-1, 2, 3, 4, 5\n0, 1, 2")]
    public void NvidiaSmi_OtherText_Empty(string text) => Assert.Empty(NvidiaSmiCsv.Read(text));

    [Fact]
    public void NvidiaSmi_ImplausibleNumbers_Absent() =>
        Assert.Equal([new GpuReading("0", null, null, null, null)], NvidiaSmiCsv.Read("0, NaN, -5, 1e300, Infinity"));

    [Fact]
    public void Dcgm_Exporter_FourMetrics()
    {
        const string Text = """
            # HELP DCGM_FI_DEV_GPU_UTIL GPU utilization (in %).
            # TYPE DCGM_FI_DEV_GPU_UTIL gauge
            DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-1",pci_bus_id="00000000:01:00.0",device="nvidia0",modelName="NVIDIA H100 80GB HBM3",Hostname="node-1"} 88
            DCGM_FI_DEV_GPU_UTIL{gpu="1",UUID="GPU-2",device="nvidia1",Hostname="node-1"} 3
            DCGM_FI_DEV_MEM_COPY_UTIL{gpu="0",UUID="GPU-1"} 12
            DCGM_FI_DEV_FB_FREE{gpu="0",UUID="GPU-1"} 20000
            DCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-1"} 60000
            DCGM_FI_DEV_GPU_TEMP{UUID="GPU-1", gpu="0"} 71
            """;

        Assert.Equal(
            [new GpuReading("0", 0.88, 60000 * Mebibyte, 80000 * Mebibyte, 71), new GpuReading("1", 0.03, null, null, null)], DcgmText.Read(Text));
    }

    [Theory]
    [InlineData("")]
    [InlineData("<html>not found</html>")]
    [InlineData("DCGM_FI_DEV_GPU_UTIL 5\nDCGM_FI_DEV_GPU_UTIL{UUID=\"x\"} 5\nDCGM_FI_DEV_GPU_UTIL{gpu=\"0\"} much\nDCGM_FI_DEV_GPU_UTIL{gpu=\"0\"")]
    public void Dcgm_OtherText_Empty(string text) => Assert.Empty(DcgmText.Read(text));

    [Fact]
    public void Dcgm_TooManyCards_Bounded() =>
        Assert.Equal(64, DcgmText.Read(string.Join('\n', Enumerable.Range(0, 500).Select(i => $"DCGM_FI_DEV_GPU_TEMP{{gpu=\"{i}\"}} 40"))).Count);
}
