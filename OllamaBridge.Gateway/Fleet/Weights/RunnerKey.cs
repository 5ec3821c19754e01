using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Fleet.Weights;

/// <summary>Derives from <c>/api/show</c> the files and options by which a server decides whether a loaded runner can serve a model. Pure.</summary>
/// <remarks>As <c>schedulerModelKey</c> and <c>needsReload</c> in <c>server/sched.go</c>: weights, adapters, projectors, options of <c>api.Runner</c>.</remarks>
internal static partial class RunnerKey
{
    private static readonly string[] RunnerOptions = ["num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread"];

    /// <returns>Null if the response does not have the required fields.</returns>
    public static string? Read(JsonElement show)
    {
        if (show.ValueKind != JsonValueKind.Object || !show.TryGetProperty("modelfile", out var text) || JsonValues.Text(text) is not { } modelfile)
            return null;
        var key = new StringBuilder();
        if (!AppendFiles(key, modelfile))
            return null;
        if (show.TryGetProperty("parameters", out var parameters) && JsonValues.Text(parameters) is { } options)
            AppendOptions(key, options);
        return key.ToString();
    }

    /// <summary>Reads only the head of the Modelfile: files precede everything else (<c>Model.String</c> in <c>server/images.go</c>).</summary>
    private static bool AppendFiles(StringBuilder key, string modelfile)
    {
        foreach (var line in modelfile.AsSpan().EnumerateLines())
        {
            if (line.IsWhiteSpace() || line.StartsWith('#'))
                continue;
            if (!line.StartsWith("FROM ", StringComparison.Ordinal) && !line.StartsWith("ADAPTER ", StringComparison.Ordinal)
                && !line.StartsWith("DRAFT ", StringComparison.Ordinal))
                break;
            var file = Blob().Match(line.ToString());
            // A name that is not a blob's may refer to different files on different servers.
            if (!file.Success)
                return false;
            key.Append(line[..line.IndexOf(' ')]).Append(' ').Append(file.Groups["digest"].ValueSpan).Append('\n');
        }

        return key.Length > 0;
    }

    /// <summary>Reads one line for each parameter: its name, blanks, its value in Go's format.</summary>
    private static void AppendOptions(StringBuilder key, string parameters)
    {
        var lines = parameters.Split('\n').Select(l => l.Split((char[]?)null, 2, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        foreach (var line in lines.Where(l => l.Length == 2 && RunnerOptions.Contains(l[0])).OrderBy(l => l[0], StringComparer.Ordinal))
            key.Append(line[0]).Append(' ').Append(line[1]).Append('\n');
    }

    [GeneratedRegex("sha256[-:](?<digest>[0-9a-f]{64})\"?\\s*$")]
    private static partial Regex Blob();
}
