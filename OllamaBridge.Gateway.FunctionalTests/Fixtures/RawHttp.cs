using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Fixtures;

/// <summary>HTTP over a raw socket, so that framing errors and refusals are visible.</summary>
internal static class RawHttp
{
    /// <summary>Sends bytes and reads until the server closes the connection.</summary>
    public static async Task<string> SendAsync(Uri url, string request)
    {
        using var limit = TestTimeouts.StartGuard();
        using var client = new TcpClient();
        await client.ConnectAsync(url.Host, url.Port, limit.Token);
        await using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes(request), limit.Token);
        using var answer = new MemoryStream();
        try
        {
            await stream.CopyToAsync(answer, limit.Token);
        }
        catch (IOException)
        {
            // A reset after the response is a valid end.
        }

        return Encoding.Latin1.GetString(answer.ToArray());
    }

    /// <summary>Status line, headers in order of name, and body, without values that differ between calls.</summary>
    public static string Describe(string answer)
    {
        var end = answer.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        var lines = answer[..end].Split("\r\n");
        // The bridge chooses its own framing; the client tests verify that it is valid.
        string[] own = ["Date:", "X-Bridge-Instance:", "X-Request-Id:", "request-id:", "Content-Length:", "Transfer-Encoding:"];
        var headers = lines[1..].Where(l => !own.Any(o => l.StartsWith(o, StringComparison.OrdinalIgnoreCase))).Order(StringComparer.Ordinal);
        var body = answer[(end + 4)..];
        if (answer[..end].Contains("Transfer-Encoding: chunked", StringComparison.OrdinalIgnoreCase))
            body = Regex.Replace(body, "(?m)^[0-9a-fA-F]+\r\n|\r\n", "");
        return string.Join('\n', [lines[0], .. headers, "", Normal.Of(body)]);
    }
}

/// <summary>Removes times, durations and ids, which differ between calls, from a response.</summary>
internal static class Normal
{
    private static readonly Regex[] Varying =
    [
        new("\"(created_at|modified_at|expires_at|created|completed_at|total_duration|load_duration|prompt_eval_duration|eval_duration)\":(\"[^\"]*\"|[0-9]+)"),
        new("\"(id|request_id|item_id)\":\"[a-z]+[_-][0-9a-f]+\""),
    ];

    public static string Of(string text) => Varying.Aggregate(text, (t, pattern) => pattern.Replace(t, "\"$1\":0"));
}
