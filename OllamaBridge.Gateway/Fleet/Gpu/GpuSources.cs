using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace OllamaBridge.Gateway.Fleet.Gpu;

internal interface IGpuSource
{
    /// <returns>Null if the exporter does not respond with success.</returns>
    Task<IReadOnlyList<GpuReading>?> ReadExporterAsync(Uri address, CancellationToken cancellationToken);

    /// <returns>Null if there is no such program (<c>nvidia-smi</c>), or it fails.</returns>
    Task<IReadOnlyList<GpuReading>?> ReadMachineAsync(string program, CancellationToken cancellationToken);
}

internal sealed class GpuSource : IGpuSource, IDisposable
{
    // The exporter of a machine with many GPUs writes some hundred KiB.
    private const int MaxText = 8 * 1024 * 1024;
    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, UseCookies = false })
    {
        MaxResponseContentBufferSize = MaxText,
        Timeout = Timeout.InfiniteTimeSpan,
    };

    public async Task<IReadOnlyList<GpuReading>?> ReadExporterAsync(Uri address, CancellationToken cancellationToken)
    {
        try
        {
            return DcgmText.Read(await _client.GetStringAsync(address, cancellationToken));
        }
        catch (Exception e) when (e is HttpRequestException or IOException or InvalidOperationException)
        {
            return null;
        }
    }

    public async Task<IReadOnlyList<GpuReading>?> ReadMachineAsync(string program, CancellationToken cancellationToken)
    {
        using var process = Start(program);
        if (process is null)
            return null;
        try
        {
            var text = await ReadAsync(process.StandardOutput, cancellationToken);
            await process.WaitForExitAsync(cancellationToken);
            return process.ExitCode == 0 ? NvidiaSmiCsv.Read(text) : null;
        }
        finally
        {
            // A hanging driver would block the program for ever.
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }

    public void Dispose() => _client.Dispose();

    private static Process? Start(string program)
    {
        try
        {
            return Process.Start(new ProcessStartInfo(program, NvidiaSmiCsv.Arguments) { RedirectStandardOutput = true });
        }
        catch (Exception e) when (e is Win32Exception or InvalidOperationException or IOException)
        {
            return null;
        }
    }

    private static async Task<string> ReadAsync(StreamReader reader, CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        var buffer = new char[4096];
        while (text.Length < MaxText && await reader.ReadAsync(buffer, cancellationToken) is > 0 and var read)
            text.Append(buffer, 0, read);
        return text.ToString();
    }
}
