using System.Text;
using Microsoft.AspNetCore.Http.Features;

namespace OllamaBridge.Simulator.Hosting;

/// <summary>Responses to paths and methods without a route: 404, 405, and redirects to a similar path.</summary>
internal static class Misdirection
{
    public static Task AnswerAsync(HttpContext http, string path, Route? route)
    {
        if (route is not null)
        {
            http.Response.Headers.Allow = route.Allow;
            return Reply.BytesAsync(http, 405, "405 method not allowed"u8.ToArray(), ContentTypes.BareText);
        }
        if (Clean(path) is { } clean && clean != path && RouteTable.Find(clean, out _) is not null)
            return RedirectAsync(http, clean, HttpMethods.IsGet(http.Request.Method) ? 301 : 307);
        return NotFoundAsync(http);
    }

    public static Task NotFoundAsync(HttpContext http) => Reply.BytesAsync(http, 404, "404 page not found"u8.ToArray(), ContentTypes.BareText);

    /// <summary>Responses of Go's net/http before any route: the server's own options, a tunnel, and a path that isn't clean.</summary>
    /// <returns>Null if a route serves the request.</returns>
    public static Task? BeforeRoutes(HttpContext http)
    {
        var target = http.Features.Get<IHttpRequestFeature>()?.RawTarget ?? "";
        if (target == "*" && HttpMethods.IsOptions(http.Request.Method))
            return Reply.EmptyAsync(http, 200);
        if (HttpMethods.IsConnect(http.Request.Method))
            return Reply.BytesAsync(http, 405, "405 method not allowed"u8.ToArray(), ContentTypes.BareText);
        if (!target.StartsWith('/'))
            return null;
        var path = Uri.UnescapeDataString(target.Split('?')[0]);
        var clean = Resolve(path);
        if (clean != path)
            return RedirectAsync(http, new PathString(clean).ToUriComponent(), 307);
        if (target.Contains("%2f", StringComparison.OrdinalIgnoreCase))
            http.Request.Path = path;
        return null;
    }

    /// <summary>Go's path.Clean, but with a trailing slash kept.</summary>
    private static string Resolve(string path)
    {
        List<string> segments = [];
        foreach (var segment in path.Split('/'))
        {
            if (segment == ".." && segments.Count > 0)
                segments.RemoveAt(segments.Count - 1);
            else if (segment is not ("" or "." or ".."))
                segments.Add(segment);
        }
        return "/" + string.Join('/', segments) + (path.EndsWith('/') && segments.Count > 0 ? "/" : "");
    }

    private static Task RedirectAsync(HttpContext http, string path, int status)
    {
        http.Response.Headers.Location = path + http.Request.QueryString;
        if (!HttpMethods.IsGet(http.Request.Method) && !HttpMethods.IsHead(http.Request.Method))
            return Reply.EmptyAsync(http, status);
        var text = status == 301 ? "Moved Permanently" : "Temporary Redirect";
        return Reply.BytesAsync(http, status, Encoding.UTF8.GetBytes($"<a href=\"{path}{http.Request.QueryString}\">{text}</a>.\n\n"), ContentTypes.Html);
    }

    private static string Clean(string path) => "/" + string.Join('/', path.Split('/', StringSplitOptions.RemoveEmptyEntries));
}
