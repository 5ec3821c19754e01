using System.Diagnostics;
using OllamaBridge.Benchmarks.EndToEnd;

namespace OllamaBridge.Benchmarks.Load;

/// <summary>Clients that each send the next request as soon as they have the response. Connections stay open from round to round.</summary>
internal sealed class ClosedLoop : IDisposable
{
    private readonly List<(ChatConnection Connection, ReadOnlyMemory<byte> Request)> _clients = [];

    private ClosedLoop()
    {
    }

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

    /// <summary>Sends requests for a period. Returns the number of responses, and the seconds until the last of them.</summary>
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

    /// <summary>Sends one request from every client, all at the same time. Returns the number of lines of all responses.</summary>
    public async Task<long> RunOnceAsync(CancellationToken cancellationToken)
    {
        var lines = await Task.WhenAll(_clients.Select(c => c.Connection.AskAsync(c.Request, cancellationToken).AsTask()));
        return lines.Sum(l => (long)l);
    }

    /// <summary>Sends requests one at a time; the clients take turns. Adds the milliseconds of each response to <paramref name="times"/>.</summary>
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

    public void Dispose() => _clients.ForEach(c => c.Connection.Dispose());
}
