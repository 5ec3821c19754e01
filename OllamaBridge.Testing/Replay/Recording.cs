using System.Text.RegularExpressions;

namespace OllamaBridge.Testing.Replay;

/// <summary>A recorded exchange: the command, and the real server's response.</summary>
internal sealed partial class Recording
{
    private Recording(string name, CurlCommand command, RawResponse? response, int exit)
    {
        Name = name;
        Command = command;
        Response = response;
        Exit = exit;
    }

    public static string Folder => Path.Combine(AppContext.BaseDirectory, "Recordings");

    public string Name { get; }

    public CurlCommand Command { get; }

    /// <summary>Null if the server sent no response.</summary>
    public RawResponse? Response { get; }

    /// <summary>curl's exit code: 0 complete, 18 cut, 28 timeout, 52 empty, 55 connection closed.</summary>
    public int Exit { get; }

    public static IEnumerable<string> Names() =>
        Directory.GetFiles(Folder, "*.txt").Select(p => Path.GetFileNameWithoutExtension(p)!).Order(StringComparer.Ordinal);

    public static string Text(string name) => File.ReadAllText(Path.Combine(Folder, name + ".txt"));

    public static Recording Load(string name)
    {
        var text = Text(name);
        var command = text[..text.IndexOf('\n')];
        var verdict = text.LastIndexOf("\n--- curl:", StringComparison.Ordinal);
        var exit = int.Parse(ExitCode().Match(text[verdict..]).Groups[1].Value);
        var answer = text[(command.Length + 1)..Math.Max(verdict, command.Length + 1)];
        answer = Chatter().Replace(answer, "");
        answer = CurlError().Replace(answer, "");
        answer = answer.Replace("HTTP/1.1 100 Continue\n\n", "");
        var response = answer.StartsWith("HTTP/", StringComparison.Ordinal) ? RawResponse.FromText(answer) : null;
        return new Recording(name, CurlCommand.Parse(command), response, exit);
    }

    [GeneratedRegex(@"exit=(\d+)")]
    private static partial Regex ExitCode();

    /// <summary>The output of <c>curl -v</c> between the parts of the response.</summary>
    [GeneratedRegex(@"^([*<>](?: .*)?|[{}] \[\d+ bytes data\])\n|\* Connection #0.*\n?", RegexOptions.Multiline)]
    private static partial Regex Chatter();

    [GeneratedRegex(@"^curl: \(\d+\).*\n?", RegexOptions.Multiline)]
    private static partial Regex CurlError();
}
