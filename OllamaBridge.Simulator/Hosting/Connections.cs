using System.Net.Sockets;
using Microsoft.AspNetCore.Connections.Features;

namespace OllamaBridge.Simulator.Hosting;

/// <summary>Ends connections as real failures do.</summary>
internal static class Connections
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>Sends RST: the peer's unread bytes are lost.</summary>
    public static void Reset(HttpContext http)
    {
        if (http.Features.Get<IConnectionSocketFeature>()?.Socket is { } socket)
        {
            try
            {
                socket.LingerState = new LingerOption(true, 0);
                socket.Close();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // Already closed.
            }
        }
        http.Abort();
    }

    /// <summary>Sends FIN after all sent bytes, in the middle of the body, as after a killed process.</summary>
    public static async Task CutAsync(HttpContext http)
    {
        await DrainAsync(http);
        http.Abort();
    }

    /// <summary>Waits for the socket to send the flushed bytes, then closes its sending half.</summary>
    public static async Task DrainAsync(HttpContext http)
    {
        if (http.Features.Get<IConnectionTransportFeature>()?.Transport is { } transport
            && http.Features.Get<IConnectionLifetimeFeature>() is { } lifetime)
        {
            await transport.Output.CompleteAsync();
            var closed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await using var registration = lifetime.ConnectionClosed.Register(() => closed.TrySetResult());
            await Task.WhenAny(closed.Task, Task.Delay(Patience, TimeProvider.System));
        }
    }
}
