namespace OllamaBridge.Testing.Replay;

/// <summary>Compares a response with the recorded one, except for times, ids, digests and generated text.</summary>
internal static class RecordingComparison
{
    private static readonly string[] Lengths = ["Content-Length", "Date"];

    public static void Same(Recording recording, RawResponse actual) => Same(recording, recording.Response!, actual);

    public static void Same(Recording recording, RawResponse expected, RawResponse actual)
    {
        Assert.Equal(expected.StatusLine, actual.StatusLine);
        Assert.Equal(Headers(expected), Headers(actual));
        Assert.True(actual.Headers.ContainsKey("Date"));
        Assert.Equal(expected.Headers.ContainsKey("Content-Length"), actual.Headers.ContainsKey("Content-Length"));
        Assert.Equal(recording.Exit != 18, actual.Complete);
        if (!recording.Command.KeepsBody)
            return;
        if (recording.Command.Method == "HEAD" || expected.Body == actual.Body)
            Assert.Equal(expected.Headers.GetValueOrDefault("Content-Length"), actual.Headers.GetValueOrDefault("Content-Length"));
        var endsByItself = expected.Body.Contains("\"done_reason\":\"stop\"") || expected.Body.Contains("\"completed\":");
        var cut = recording.Name == "14-pull-killed-midway-A";
        Assert.Equal(Shape(expected.Body, endsByItself, cut), Shape(actual.Body, endsByItself, cut));
    }

    private static string Headers(RawResponse response) => string.Join('\n',
        response.Headers.Where(h => !Lengths.Contains(h.Key)).Select(h => $"{h.Key}: {h.Value}").Order(StringComparer.Ordinal));

    /// <summary>The body line by line with masked JSON. If the model ends the response itself, successive lines of the same shape count as one.</summary>
    private static string Shape(string body, bool endsByItself, bool cut)
    {
        List<string> lines = [];
        foreach (var line in body.Split('\n'))
        {
            var shape = Line(line, endsByItself);
            if (!endsByItself && !cut || lines.Count == 0 || lines[^1] != shape)
                lines.Add(shape);
        }
        return string.Join('\n', lines);
    }

    private static string Line(string line, bool endsByItself)
    {
        var (prefix, rest) = line.StartsWith("data: ", StringComparison.Ordinal) ? ("data: ", line[6..]) : ("", line);
        return rest.StartsWith('{') ? prefix + JsonShape.Of(rest, size: rest.Contains("\"expires_at\""), endsByItself) : line;
    }
}
