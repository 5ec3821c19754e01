using System.Text;

namespace OllamaBridge.Testing.Replay;

/// <summary>The request of a recorded curl command.</summary>
internal sealed record CurlCommand
{
    public string Method { get; private init; } = "GET";

    public string Path { get; private init; } = "/";

    public string Body { get; private init; } = "";

    public bool Http10 { get; private init; }

    /// <summary>Whether the recording has the body (<c>-o /dev/null</c> discards it).</summary>
    public bool KeepsBody { get; private init; } = true;

    public string? Upload { get; init; }

    public IReadOnlyList<(string Name, string Value)> Headers { get; private init; } = [];

    public static CurlCommand Parse(string line)
    {
        var words = Words(line);
        List<(string, string)> headers = [];
        var (method, path, body, upload) = ((string?)null, "/", (string?)null, (string?)null);
        var (old, keeps, head) = (false, true, false);
        for (var i = 2; i < words.Count; i++)
        {
            switch (words[i])
            {
                case "-X": method = words[++i]; break;
                case "-d": body = words[++i]; break;
                case "-T": upload = words[++i]; break;
                case "-H":
                    var header = words[++i].Split(": ", 2);
                    headers.Add((header[0], header[1]));
                    break;
                case "-I": head = true; break;
                case "-m" or "-D": i++; break;
                case "-o": i++; keeps = false; break;
                case "--http1.0": old = true; break;
                case "--http2":
                    headers.AddRange([("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA")]);
                    break;
                case var word when word.StartsWith("127.0.0.1:", StringComparison.Ordinal):
                    path = word[word.IndexOf('/')..];
                    break;
            }
        }
        return new CurlCommand
        {
            Method = method ?? (head ? "HEAD" : body is not null ? "POST" : upload is not null ? "PUT" : "GET"),
            Path = path,
            Body = body ?? "",
            Upload = upload,
            Http10 = old,
            KeepsBody = keeps,
            Headers = headers,
        };
    }

    public CurlCommand With(string? path = null, string? body = null) => this with { Path = path ?? Path, Body = body ?? Body };

    public byte[] ToBytes(int port)
    {
        var text = new StringBuilder().Append($"{Method} {Path} HTTP/1.{(Http10 ? 0 : 1)}\r\n");
        Default("Host", $"127.0.0.1:{port}");
        Default("User-Agent", "curl/7.88.1");
        Default("Accept", "*/*");
        foreach (var (name, value) in Headers)
            text.Append($"{name}: {value}\r\n");
        var body = Encoding.UTF8.GetBytes(Body);
        if (body.Length > 0)
        {
            Default("Content-Length", body.Length.ToString());
            Default("Content-Type", "application/x-www-form-urlencoded");
        }
        if (Upload is not null)
        {
            Default("Expect", "100-continue");
            Default("Content-Length", Upload.Length.ToString());
        }
        return [.. Encoding.UTF8.GetBytes(text.Append("\r\n").ToString()), .. body];

        void Default(string name, string value)
        {
            if (!Headers.Any(h => h.Name.Equals(name, StringComparison.OrdinalIgnoreCase)))
                text.Append($"{name}: {value}\r\n");
        }
    }

    private static List<string> Words(string line)
    {
        List<string> words = [];
        var word = new StringBuilder();
        var quoted = false;
        foreach (var c in line)
        {
            if (c == '\'')
                quoted = !quoted;
            else if (c == ' ' && !quoted)
            {
                words.Add(word.ToString());
                word.Clear();
            }
            else
                word.Append(c);
        }
        words.Add(word.ToString());
        return words;
    }
}
