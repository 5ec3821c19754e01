using System.Diagnostics;
using System.Net;
using System.Text;

namespace OllamaBridge.Gateway.FunctionalTests.Resumption;

/// <summary>A streamed response as a client receives it, with its longest pause.</summary>
/// <remarks>A pause is the time between two reads; the wait for the first one doesn't count.</remarks>
internal sealed record TimedStream(string Path, string Text, TimeSpan Silence)
{
    /// <summary>Sends a request and reads the response to its end.</summary>
    /// <exception cref="HttpRequestException">The request was refused, or its connection failed.</exception>
    public static async Task<TimedStream> AskAsync(HttpClient client, Uri server, string path, byte[] body, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server, path)) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new("application/json");
        using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (answer.StatusCode != HttpStatusCode.OK)
            throw new HttpRequestException($"{(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync(cancellationToken)}");
        await using var stream = await answer.Content.ReadAsStreamAsync(cancellationToken);
        using var all = new MemoryStream();
        var buffer = new byte[4096];
        var silence = TimeSpan.Zero;
        for (long last = 0; ;)
        {
            var read = await stream.ReadAsync(buffer, cancellationToken);
            if (read == 0)
                break;
            var now = Stopwatch.GetTimestamp();
            if (last != 0 && Stopwatch.GetElapsedTime(last, now) is var elapsed && elapsed > silence)
                silence = elapsed;
            last = now;
            all.Write(buffer, 0, read);
        }

        return new TimedStream(path, Encoding.UTF8.GetString(all.GetBuffer(), 0, (int)all.Length), silence);
    }
}
