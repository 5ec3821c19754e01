namespace OllamaBridge.Testing.Replay;

/// <summary>A response as received on the wire, with its chunks joined.</summary>
/// <param name="StatusLine">The first line.</param>
/// <param name="Headers">Names and values.</param>
/// <param name="Body">The body without chunk framing.</param>
/// <param name="Complete">Whether the body reached its announced end.</param>
internal sealed record RawResponse(string StatusLine, IReadOnlyDictionary<string, string> Headers, string Body, bool Complete = true)
{
    public bool IsChunked => Headers.ContainsKey("Transfer-Encoding");

    public string? ContentType => Headers.GetValueOrDefault("Content-Type");

    public static RawResponse FromText(string text)
    {
        text = text.Replace("\r", "");
        var end = text.IndexOf("\n\n", StringComparison.Ordinal);
        var lines = text[..end].Split('\n');
        var headers = lines.Skip(1).Select(l => l.Split(": ", 2)).GroupBy(p => p[0], p => p[1], StringComparer.OrdinalIgnoreCase)
            .ToDictionary(g => g.Key, g => string.Join(", ", g), StringComparer.OrdinalIgnoreCase);
        return new RawResponse(lines[0], headers, text[(end + 2)..]);
    }
}
