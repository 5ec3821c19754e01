using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using OllamaBridge.Testing.Replay;

namespace OllamaBridge.Simulator.Tests;

/// <summary>A killed simulator keeps its port until its restart. Otherwise an outgoing connection could take the port.</summary>
public class PortReservationTests
{
    private const int Deaths = 300;

    [Fact]
    public async Task KillAndRestart_OthersTryToBind_PortKept()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux lets a second socket keep the port.");
        var ct = TestContext.Current.CancellationToken;
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant, SimulatedModel.Named("m"));
        var port = new IPEndPoint(IPAddress.Loopback, server.Url.Port);
        using var done = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var thief = Task.Run(() => StealAsync(port, done.Token), ct);
        for (var i = 0; i < Deaths; i++)
        {
            await server.KillAsync();
            await server.RestartAsync(ct);
        }
        await done.CancelAsync();
        Assert.Equal(0, await thief);
    }

    [Fact]
    public async Task Start_PortOfRunningServer_AddressInUse()
    {
        await using var server = await TestServer.StartAsync(SimulatorOptions.Instant);
        await Assert.ThrowsAnyAsync<IOException>(() => TestServer.StartAsync(SimulatorOptions.Instant with { Port = server.Url.Port }));
    }

    /// <summary>Counts how often the port can be bound without SO_REUSEADDR, which .NET's own bind sets.</summary>
    private static Task<int> StealAsync(IPEndPoint port, CancellationToken done)
    {
        var stolen = 0;
        var address = port.Serialize();
        while (!done.IsCancellationRequested)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            if (Bind(socket.Handle, address.Buffer.ToArray(), address.Size) == 0)
                stolen++;
        }
        return Task.FromResult(stolen);
    }

    [DllImport("libc", EntryPoint = "bind")]
    private static extern int Bind(nint socket, byte[] address, int length);
}
