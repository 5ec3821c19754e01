using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace OllamaBridge.Testing.Replay;

/// <summary>A plain socket to a simulator, so that tests see the framing.</summary>
internal sealed class RawConnection : IDisposable
{
    private readonly TcpClient _client = new() { NoDelay = true };
    private readonly byte[] _buffer = new byte[64 * 1024];
    private readonly MemoryStream _seen = new();
    private int _at;

    private RawConnection()
    {
    }

    /// <summary>Called with the number of lines received so far.</summary>
    public Func<int, Task>? OnLines { get; set; }

    public bool HasBytes => _client.Available > 0;

    public static async Task<RawConnection> OpenAsync(Uri url)
    {
        var connection = new RawConnection();
        await connection._client.ConnectAsync(url.Host, url.Port, TestContext.Current.CancellationToken);
        return connection;
    }

    public Task SendAsync(byte[] bytes) => _client.GetStream().WriteAsync(bytes, TestContext.Current.CancellationToken).AsTask();

    /// <summary>Reads one response; null if the peer closed the connection before the end of the head.</summary>
    public async Task<RawResponse?> ReceiveAsync(bool head = false)
    {
        while (true)
        {
            if (await ReadUntilAsync("\r\n\r\n") is not { } text)
                return null;
            var response = RawResponse.FromText(text);
            if (response.StatusLine.Contains(" 100 "))
                continue;
            if (head)
                return response;
            var (body, complete) = await BodyAsync(response);
            return response with { Body = body, Complete = complete };
        }
    }

    public void Dispose()
    {
        _client.Dispose();
        _seen.Dispose();
    }

    private async Task<(string Body, bool Complete)> BodyAsync(RawResponse response)
    {
        if (response.Headers.TryGetValue("Content-Length", out var length))
            return await TakeAsync(int.Parse(length, CultureInfo.InvariantCulture));
        if (!response.IsChunked)
        {
            while (await MoreAsync())
            {
            }
            return (Take((int)_seen.Length - _at), true);
        }
        var body = new StringBuilder();
        while (true)
        {
            if (await ReadUntilAsync("\r\n") is not { } line)
                return (body.ToString(), false);
            var size = int.Parse(line.Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            var (chunk, complete) = await TakeAsync(size + 2);
            body.Append(complete ? chunk[..^2] : chunk);
            if (size == 0 || !complete)
                return (body.ToString(), complete);
        }
    }

    private async Task<(string Text, bool Complete)> TakeAsync(int bytes)
    {
        while (_seen.Length - _at < bytes)
        {
            if (!await MoreAsync())
                return (Take((int)_seen.Length - _at), false);
        }
        return (Take(bytes), true);
    }

    private string Take(int bytes)
    {
        var text = Encoding.UTF8.GetString(_seen.GetBuffer(), _at, bytes);
        _at += bytes;
        return text;
    }

    private async Task<string?> ReadUntilAsync(string mark)
    {
        var bytes = Encoding.ASCII.GetBytes(mark);
        while (true)
        {
            var found = _seen.GetBuffer().AsSpan(_at, (int)_seen.Length - _at).IndexOf(bytes);
            if (found >= 0)
                return Take(found + bytes.Length);
            if (!await MoreAsync())
                return null;
        }
    }

    private async Task<bool> MoreAsync()
    {
        try
        {
            var read = await _client.GetStream().ReadAsync(_buffer, TestContext.Current.CancellationToken);
            _seen.Write(_buffer, 0, read);
            if (OnLines is not null)
                await OnLines(Encoding.UTF8.GetString(_seen.GetBuffer(), 0, (int)_seen.Length).Count(c => c == '\n'));
            return read > 0;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
