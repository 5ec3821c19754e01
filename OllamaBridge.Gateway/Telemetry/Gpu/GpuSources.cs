using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace OllamaBridge.Gateway.Telemetry.Gpu;

/// <summary>Asks for the state of GPUs.</summary>
internal interface IGpuSource
{
    /// <summary>Asks the DCGM exporter at an address.</summary>
    /// <returns>Null where it does not answer.</returns>
    Task<IReadOnlyList<GpuReading>?> AskExporterAsync(Uri address, CancellationToken cancellationToken);

    /// <summary>Asks <c>nvidia-smi</c> for this machine's.</summary>
    /// <returns>Null where there is no such program, or it fails.</returns>
    Task<IReadOnlyList<GpuReading>?> AskMachineAsync(string program, CancellationToken cancellationToken);
}

/// <summary>Asks by HTTP, and by starting the program.</summary>
internal sealed class GpuSource : IGpuSource, IDisposable
{
    // An exporter of a machine with many GPUs writes some hundred KiB.
    private const int MaxText = 8 * 1024 * 1024;
    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, UseCookies = false })
    {
        MaxResponseContentBufferSize = MaxText,
        Timeout = Timeout.InfiniteTimeSpan,
    };

    /// <inheritdoc/>
    public async Task<IReadOnlyList<GpuReading>?> AskExporterAsync(Uri address, CancellationToken cancellationToken)
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

    /// <inheritdoc/>
    public async Task<IReadOnlyList<GpuReading>?> AskMachineAsync(string program, CancellationToken cancellationToken)
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
            // A driver that hangs holds its program for ever.
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }

    /// <inheritdoc/>
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
