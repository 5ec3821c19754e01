using System.Text;
using Microsoft.AspNetCore.Http.Features;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>A request's path as Go's <c>net/http</c> reads it: every escape is decoded, and a path that isn't clean is redirected.</summary>
internal static class RequestPath
{
    /// <summary>
    /// Where Go's <c>ServeMux</c> redirects a request whose path has empty, <c>.</c> or <c>..</c> segments; null if its path is clean. Kestrel removes dot
    /// segments by itself and keeps <c>%2F</c>; as a side effect a path with one is set to the decoded one, which routes match.
    /// </summary>
    public static string? Redirection(HttpContext context)
    {
        var raw = context.Features.Get<IHttpRequestFeature>()?.RawTarget ?? "";
        var end = raw.AsSpan().IndexOfAny('?', '#');
        var target = end < 0 ? raw : raw[..end];
        if (!target.StartsWith('/') || !MayDiffer(target))
            return null;
        var path = Decode(target);
        var clean = Clean(path);
        if (clean != path)
            return Encode(clean);
        if (target.Contains("%2F", StringComparison.OrdinalIgnoreCase))
            context.Request.Path = path;
        return null;
    }

    private static bool MayDiffer(string target) =>
        target.Contains("//", StringComparison.Ordinal) || target.Contains("/.", StringComparison.Ordinal) || target.Contains('%', StringComparison.Ordinal);

    /// <summary>Go's <c>path.Clean</c> on a rooted path, which keeps a trailing slash.</summary>
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

    private static string Decode(string target) => Uri.UnescapeDataString(target);

    private static string Encode(string path) => new PathString(path).ToUriComponent();
}
