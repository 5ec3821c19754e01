using System.Net.Sockets;
using Microsoft.AspNetCore.Connections.Features;

namespace OllamaBridge.Simulator.Hosting;

/// <summary>Ends connections in the ways in which they end when something breaks.</summary>
internal static class Connections
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>RST: the peer's unread bytes are lost.</summary>
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
                // Closed already.
            }
        }
        http.Abort();
    }

    /// <summary>FIN after everything sent so far, in the middle of the body: as a killed process leaves it.</summary>
    public static async Task CutAsync(HttpContext http)
    {
        await DrainAsync(http);
        http.Abort();
    }

    /// <summary>Lets the socket send what was flushed, then closes its sending half.</summary>
    public static async Task DrainAsync(HttpContext http)
    {
        if (http.Features.Get<IConnectionTransportFeature>()?.Transport is { } transport
            && http.Features.Get<IConnectionLifetimeFeature>() is { } lifetime)
        {
            await transport.Output.CompleteAsync();
            var closed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await using var registration = lifetime.ConnectionClosed.Register(() => closed.TrySetResult());
            await Task.WhenAny(closed.Task, Task.Delay(Patience));
        }
    }
}
