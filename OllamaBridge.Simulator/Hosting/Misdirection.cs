using System.Text;

namespace OllamaBridge.Simulator.Hosting;

/// <summary>Answers to paths and methods that no route has: 404, 405, and redirects to the path that was meant.</summary>
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
            return RedirectAsync(http, clean, HttpMethods.IsGet(http.Request.Method) && !path.Contains("//", StringComparison.Ordinal) ? 301 : 307);
        return Reply.BytesAsync(http, 404, "404 page not found"u8.ToArray(), ContentTypes.BareText);
    }

    private static Task RedirectAsync(HttpContext http, string path, int status)
    {
        http.Response.Headers.Location = path + http.Request.QueryString;
        if (!HttpMethods.IsGet(http.Request.Method) && !HttpMethods.IsHead(http.Request.Method))
            return Reply.EmptyAsync(http, status);
        var text = status == 301 ? "Moved Permanently" : "Temporary Redirect";
        return Reply.BytesAsync(http, status, Encoding.UTF8.GetBytes($"<a href=\"{path}\">{text}</a>.\n\n"), ContentTypes.Html);
    }

    private static string Clean(string path) => "/" + string.Join('/', path.Split('/', StringSplitOptions.RemoveEmptyEntries));
}
