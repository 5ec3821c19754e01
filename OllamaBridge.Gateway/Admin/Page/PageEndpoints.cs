using System.Reflection;
using OllamaBridge.Gateway.Forwarding;

namespace OllamaBridge.Gateway.Admin.Page;

/// <summary>The fleet page at <c>/bridge/</c> and its events.</summary>
internal static class PageEndpoints
{
    // Nothing from other origins, nothing inline, no embedding in frames.
    private const string Policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        + "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

    // After this time the page reconnects with its key, so that a removed key loses access.
    private static readonly TimeSpan MaxLook = TimeSpan.FromMinutes(5);

    // Maximum time to read the last picture, so that a slow listener does not delay the stop of the bridge.
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(1);

    public static IServiceCollection AddFleetPage(this IServiceCollection services) =>
        services.AddSingleton<DashboardSnapshots>().AddSingleton<FleetFeed>();

    /// <summary>Maps the page, which contains no data and requires no key, to <paramref name="app"/>, and its events to <paramref name="bridge"/>.</summary>
    public static void MapFleetPage(this IEndpointRouteBuilder app, IEndpointRouteBuilder bridge)
    {
        var page = Read("index.html");
        app.MapGet("/bridge/", (HttpContext context) =>
        {
            // The page's URLs are relative, so that it works below a proxy's path.
            if (context.Request.Path.Value!.EndsWith('/'))
                return SendAsync(context, page, "text/html; charset=utf-8");
            context.Response.StatusCode = StatusCodes.Status307TemporaryRedirect;
            context.Response.Headers.Location = "bridge/";
            return Task.CompletedTask;
        }).ExcludeFromDescription();
        foreach (var (name, type) in (ReadOnlySpan<(string, string)>)[
            ("page.css", "text/css; charset=utf-8"), ("page.js", "text/javascript; charset=utf-8"), ("icon.svg", "image/svg+xml")])
        {
            var asset = Read(name);
            app.MapGet($"/bridge/{name}", (HttpContext context) => SendAsync(context, asset, type)).ExcludeFromDescription();
        }

        bridge.MapGet("/events", ListenAsync).ExcludeFromDescription();
    }

    private static Task SendAsync(HttpContext context, byte[] asset, string type)
    {
        Protect(context.Response.Headers);
        context.Response.Headers.ContentSecurityPolicy = Policy;
        // A new version of the bridge has a new page.
        context.Response.Headers.CacheControl = "no-cache";
        context.Response.ContentType = type;
        context.Response.ContentLength = asset.Length;
        return context.Response.Body.WriteAsync(asset, context.RequestAborted).AsTask();
    }

    private static async Task<IResult> ListenAsync(HttpContext context, FleetFeed feed, IHostApplicationLifetime lifetime, TimeProvider time)
    {
        if (feed.Join() is not { } pictures)
            return new RetryLater("The fleet page has too many listeners, or the bridge is stopping.");
        try
        {
            using var over = new CancellationTokenSource(MaxLook, time);
            using var stopping = lifetime.ApplicationStopping.Register(() => over.CancelAfter(Farewell));
            using var gone = CancellationTokenSource.CreateLinkedTokenSource(over.Token, context.RequestAborted);
            Protect(context.Response.Headers);
            context.Response.Headers.CacheControl = "no-store";
            context.Response.Headers["X-Accel-Buffering"] = "no"; // nginx would buffer the events
            context.Response.ContentType = "text/event-stream";
            ProxyBuffering.Disable(context.Response.Headers);
            await foreach (var picture in pictures.Reader.ReadAllAsync(gone.Token))
            {
                await context.Response.Body.WriteAsync(picture, gone.Token);
                await context.Response.Body.FlushAsync(gone.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // The time is over, or the client has disconnected. Unread data would keep the connection open during a stop.
            if (lifetime.ApplicationStopping.IsCancellationRequested)
                context.Abort();
        }
        finally
        {
            feed.Leave(pictures);
        }

        return Results.Empty;
    }

    private static void Protect(IHeaderDictionary headers)
    {
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers["Referrer-Policy"] = "no-referrer";
    }

    private static byte[] Read(string name)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"page/{name}")
            ?? throw new InvalidOperationException($"The page lacks {name}.");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
