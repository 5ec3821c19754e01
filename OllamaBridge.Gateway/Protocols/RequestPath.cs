using System.Text;
using Microsoft.AspNetCore.Http.Features;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>A request's path as Go's <c>net/http</c> reads it: every escape is decoded, and a path that isn't clean is redirected.</summary>
internal static class RequestPath
{
    // Unescaped once: %2F.
    private const string KeptSlash = "%252F";

    /// <returns>Null if the path is clean. Side effect: a path with <c>%2F</c>, which Kestrel keeps, becomes the decoded one; a model's name keeps
    /// <c>%2F</c>.</returns>
    public static string? Redirection(HttpContext context)
    {
        var raw = context.Features.Get<IHttpRequestFeature>()?.RawTarget ?? "";
        var end = raw.AsSpan().IndexOfAny('?', '#');
        var target = end < 0 ? raw : raw[..end];
        if (!target.StartsWith('/') || !MayDiffer(target))
            return null;
        // An escaped slash belongs to a segment here: the ids of some servers' models are paths.
        var isEscaped = target.Contains("%2F", StringComparison.OrdinalIgnoreCase);
        var path = isEscaped ? Uri.UnescapeDataString(target.Replace("%2F", KeptSlash, StringComparison.OrdinalIgnoreCase)) : Uri.UnescapeDataString(target);
        var clean = Clean(path);
        if (clean != path)
            return new PathString(clean).ToUriComponent().Replace("%252F", "%2F", StringComparison.Ordinal);
        if (isEscaped && !target.StartsWith(OperationTable.ModelPrefix, StringComparison.Ordinal))
            context.Request.Path = Uri.UnescapeDataString(target);
        return null;
    }

    private static bool MayDiffer(string target) =>
        target.Contains("//", StringComparison.Ordinal) || target.Contains("/.", StringComparison.Ordinal) || target.Contains('%', StringComparison.Ordinal);

    private static string Clean(string path)
    {
        var segments = new List<string>();
        foreach (var segment in path.Split('/'))
            if (segment == "..")
            {
                if (segments.Count > 0)
                    segments.RemoveAt(segments.Count - 1);
            }
            else if (segment.Length > 0 && segment != ".")
            {
                segments.Add(segment);
            }

        var clean = new StringBuilder("/").AppendJoin('/', segments);
        if (path.EndsWith('/') && segments.Count > 0)
            clean.Append('/');
        return clean.ToString();
    }

}
