using System.Diagnostics;
using OllamaBridge.Benchmarks.EndToEnd;

namespace OllamaBridge.Benchmarks.Load;

/// <summary>Clients of which each asks again as soon as it has its answer. Connections stay open from round to round.</summary>
internal sealed class ClosedLoop : IDisposable
{
    private readonly List<(ChatConnection Connection, ReadOnlyMemory<byte> Request)> _clients = [];

    private ClosedLoop()
    {
    }

    /// <summary>Opens the connections.</summary>
    public static async Task<ClosedLoop> OpenAsync(
        Target target, int clients, Func<System.Net.IPEndPoint, int, ReadOnlyMemory<byte>> request, CancellationToken cancellationToken)
    {
        var loop = new ClosedLoop();
        try
        {
            for (var i = 0; i < clients; i++)
            {
                var address = target.Addresses[i % target.Addresses.Count];
                loop._clients.Add((await ChatConnection.OpenAsync(address, cancellationToken), request(address, i)));
            }

            return loop;
        }
        catch
        {
            loop.Dispose();
            throw;
        }
    }

    /// <summary>Asks for a while.</summary>
    /// <returns>Answers, and the seconds that passed until the last of them.</returns>
    public async Task<(long Answers, double Seconds)> RunForAsync(TimeSpan duration, CancellationToken cancellationToken)
    {
        var start = Stopwatch.GetTimestamp();
        var counts = await Task.WhenAll(_clients.Select(c => Task.Run(
            async () =>
            {
                var count = 0L;
                for (; Stopwatch.GetElapsedTime(start) < duration; count++)
                    await c.Connection.AskAsync(c.Request, cancellationToken);
                return count;
            },
            cancellationToken)));
        return (counts.Sum(), Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    /// <summary>Every client asks once, all at the same time.</summary>
    /// <returns>The lines of all answers.</returns>
    public async Task<long> RunOnceAsync(CancellationToken cancellationToken)
    {
        var lines = await Task.WhenAll(_clients.Select(c => c.Connection.AskAsync(c.Request, cancellationToken).AsTask()));
        return lines.Sum(l => (long)l);
    }

    /// <summary>The clients ask in turn, one at a time.</summary>
    /// <param name="times">Takes the milliseconds of each answer.</param>
    /// <param name="count">How many answers.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task TimeAsync(List<double> times, int count, CancellationToken cancellationToken)
    {
        for (var i = 0; i < count; i++)
        {
            var (connection, request) = _clients[i % _clients.Count];
            var start = Stopwatch.GetTimestamp();
            await connection.AskAsync(request, cancellationToken);
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _clients.ForEach(c => c.Connection.Dispose());
}
