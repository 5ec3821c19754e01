using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace OllamaBridge.Gateway.FunctionalTests.Discovery;

/// <summary>The behaviour of a DNS server.</summary>
public enum DnsBehavior
{
    Answers,
    ServerFailure,
    Refuses,
    Silent,

    /// <summary>Over UDP, every response is only a truncation notice.</summary>
    Truncates,
}

/// <summary>A DNS server on a real socket, UDP and TCP, with the part of RFC 1035 that the tests need.</summary>
internal sealed class DnsServer : IAsyncDisposable
{
    private const ushort A = 1, Aaaa = 28, Srv = 33;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<string, Record[]> _zone = new(StringComparer.OrdinalIgnoreCase);
    private readonly ConcurrentQueue<string> _asked = new();
    private readonly UdpClient _udp;
    private readonly TcpListener _tcp;
    private readonly Task _running;

    public DnsServer()
    {
        for (var attempt = 0; ; attempt++)
        {
            _udp = new UdpClient(new IPEndPoint(IPAddress.Loopback, 0));
            _tcp = new TcpListener((IPEndPoint)_udp.Client.LocalEndPoint!);
            try
            {
                _tcp.Start();
                break;
            }
            catch (SocketException) when (attempt < 20)
            {
                // The TCP port is in use.
                _udp.Dispose();
            }
        }

        EndPoint = (IPEndPoint)_udp.Client.LocalEndPoint!;
        _running = Task.WhenAll(Task.Run(ServeUdpAsync), Task.Run(ServeTcpAsync));
    }

    public IPEndPoint EndPoint { get; }

    public DnsBehavior Mood { get; set; }

    /// <summary>The names for which the server returns a failure.</summary>
    public ConcurrentDictionary<string, byte> Failing { get; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Whether responses contain the addresses of the servers in SRV records as additional records.</summary>
    public bool TellsMore { get; set; } = true;

    /// <summary>The questions, in the form <c>udp 33 _http._tcp.ollama.ai</c>.</summary>
    public IReadOnlyCollection<string> Asked => _asked;

    /// <summary>Replaces the addresses of a name.</summary>
    public void Addresses(string name, params string[] addresses) =>
        _zone[name] = [.. addresses.Select(IPAddress.Parse).Select(a => new Record(a.AddressFamily == AddressFamily.InterNetwork ? A : Aaaa, a.GetAddressBytes(), null))];

    /// <summary>Replaces the servers of a headless Service: host names below its name, and ports. Without servers the name is removed.</summary>
    public void Service(string name, params (string Target, int Port)[] servers)
    {
        if (servers.Length == 0)
            _zone.TryRemove(name, out _);
        else
            _zone[name] = [.. servers.Select(s => new Record(Srv, [0, 0, 0, 100, (byte)(s.Port >> 8), (byte)s.Port, .. Name(s.Target)], s.Target))];
    }

    public void Forget(string name) => _zone.TryRemove(name, out _);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _udp.Dispose();
        _tcp.Dispose();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task ServeUdpAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            var asked = await _udp.ReceiveAsync(_stop.Token);
            if (Answer(asked.Buffer, isUdp: true) is { } answer)
                await _udp.SendAsync(answer, asked.RemoteEndPoint, _stop.Token);
        }
    }

    private async Task ServeTcpAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            using var client = await _tcp.AcceptTcpClientAsync(_stop.Token);
            var stream = client.GetStream();
            var length = new byte[2];
            // One question after the other, until the client closes the connection. This is sufficient for one client.
            while (await stream.ReadAtLeastAsync(length, 2, throwOnEndOfStream: false, _stop.Token) == 2)
            {
                var asked = new byte[BinaryPrimitives.ReadUInt16BigEndian(length)];
                await stream.ReadExactlyAsync(asked, _stop.Token);
                if (Answer(asked, isUdp: false) is not { } answer)
                    continue;
                BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)answer.Length);
                await stream.WriteAsync((byte[])[.. length, .. answer], _stop.Token);
            }
        }
    }

    /// <returns>Null for no response.</returns>
    private byte[]? Answer(byte[] asked, bool isUdp)
    {
        var labels = new List<string>();
        var at = 12;
        for (; asked[at] != 0; at += asked[at] + 1)
            labels.Add(Encoding.ASCII.GetString(asked, at + 1, asked[at]));
        var name = string.Join('.', labels);
        var type = BinaryPrimitives.ReadUInt16BigEndian(asked.AsSpan(at + 1));
        var question = asked[12..(at + 5)];
        _asked.Enqueue($"{(isUdp ? "udp" : "tcp")} {type} {name}");
        if (Mood == DnsBehavior.Silent)
            return null;
        if (Mood == DnsBehavior.ServerFailure || Failing.ContainsKey(name))
            return Message(asked, question, code: 2);
        if (Mood == DnsBehavior.Refuses)
            return Message(asked, question, code: 5);
        if (Mood == DnsBehavior.Truncates && isUdp)
            return Message(asked, question, code: 0, isTruncated: true);
        // A name above an existing name exists, with no records.
        if (!_zone.TryGetValue(name, out var records))
            return Message(asked, question, code: _zone.Keys.Any(k => k.EndsWith($".{name}", StringComparison.OrdinalIgnoreCase)) ? 0 : 3);
        var answers = records.Where(r => r.Type == type).Select(r => Bytes(name, r)).ToArray();
        var more = type == Srv && TellsMore
            ? records.Select(r => r.Target).OfType<string>().Distinct().SelectMany(t => _zone.GetValueOrDefault(t, []).Select(r => Bytes(t, r))).ToArray()
            : [];
        return Message(asked, question, code: 0, answers: answers, more: more);
    }

    private static byte[] Message(byte[] asked, byte[] question, int code, bool isTruncated = false, byte[][]? answers = null, byte[][]? more = null)
    {
        answers ??= [];
        more ??= [];
        // The flags: an authoritative response, with recursion available.
        byte[] head = [asked[0], asked[1], (byte)(0x84 | (isTruncated ? 2 : 0) | (asked[2] & 1)), (byte)(0x80 | code), 0, 1, 0, (byte)answers.Length, 0, 0, 0, (byte)more.Length];
        return [.. head, .. question, .. answers.SelectMany(a => a), .. more.SelectMany(a => a)];
    }

    private static byte[] Bytes(string name, Record record) =>
        [.. Name(name), (byte)(record.Type >> 8), (byte)record.Type, 0, 1, 0, 0, 0, 5, (byte)(record.Data.Length >> 8), (byte)record.Data.Length, .. record.Data];

    private static byte[] Name(string name) =>
        [.. name.Split('.').SelectMany(l => (byte[])[(byte)l.Length, .. Encoding.ASCII.GetBytes(l)]), 0];

    private sealed record Record(ushort Type, byte[] Data, string? Target);
}
