using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>The shared state of the gateways: a redis-server if PATH has one, otherwise the project's StateServer.</summary>
internal sealed class StateProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly ChildServer _process;

    private StateProcess(string name, IPEndPoint address, ChildServer process)
    {
        Name = name;
        Address = address;
        _process = process;
    }

    public string Name { get; }

    public IPEndPoint Address { get; }

    /// <summary>Starts a server without persistence. Completes when it listens.</summary>
    public static async Task<StateProcess> StartAsync(CancellationToken cancellationToken)
    {
        var address = BenchmarkFixture.FreeAddress();
        var port = address.Port.ToString(CultureInfo.InvariantCulture);
        var redis = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(f => Path.Combine(f, "redis-server"))
            .FirstOrDefault(File.Exists);
        var state = redis is null
            ? new StateProcess("the StateServer", address, ChildServer.Start("OllamaBridge.StateServer.dll", ["--port", port]))
            : new StateProcess(
                "redis-server", address, ChildServer.StartProgram(redis, ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]));
        try
        {
            await state.AwaitAsync(cancellationToken);
            return state;
        }
        catch
        {
            await state.DisposeAsync();
            throw;
        }
    }

    public ValueTask DisposeAsync() => _process.DisposeAsync();

    private async Task AwaitAsync(CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        while (true)
        {
            _process.ThrowIfEnded();
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await socket.ConnectAsync(Address, patience.Token);
                return;
            }
            catch (SocketException)
            {
                // The server does not listen yet.
            }

            await Task.Delay(TimeSpan.FromMilliseconds(50), patience.Token);
        }
    }
}
