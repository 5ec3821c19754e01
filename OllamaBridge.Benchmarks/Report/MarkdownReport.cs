using System.Globalization;

namespace OllamaBridge.Benchmarks.Report;

/// <summary>Prints a table, and writes it into a document, so that published numbers always come from a run.</summary>
internal static class MarkdownReport
{
    /// <summary>Publishes the table of one benchmark between the document's markers with the section's name.</summary>
    public static void Publish(string section, string table, BenchmarkArguments arguments)
    {
        var mode = arguments.Quick ? " with `--quick`: short rounds, for a first look only" : "";
        var text = $"Measured {DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)} on {MachineFacts.Describe()}{mode}.\n\n{table}";
        Console.WriteLine();
        Console.WriteLine(text);
        if (arguments.Output is { } path)
            Replace(path, section, text);
    }

    private static void Replace(string path, string section, string text)
    {
        var begin = $"<!-- {section}: written by OllamaBridge.Benchmarks -->";
        var end = $"<!-- {section}: end -->";
        var document = File.Exists(path) ? File.ReadAllText(path) : "";
        var start = document.IndexOf(begin, StringComparison.Ordinal);
        var stop = start < 0 ? -1 : document.IndexOf(end, start, StringComparison.Ordinal);
        var marked = $"{begin}\n{text}{end}";
        var written = stop < 0
            ? $"{document.TrimEnd('\n')}\n\n{marked}\n".TrimStart('\n')
            : string.Concat(document.AsSpan(0, start), marked, document.AsSpan(stop + end.Length));
        File.WriteAllText(path, written);
        Console.WriteLine($"Written into {path}.");
    }
}
