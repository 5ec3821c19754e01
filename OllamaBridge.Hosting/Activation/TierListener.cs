using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using Aspire.Hosting.ApplicationModel;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace OllamaBridge.Hosting;

/// <summary>Accepts, on this machine's loopback, the bridge's requests for instances of a tier. Requests need the listener's key.</summary>
internal sealed class TierListener : IValueProvider, IManifestExpressionProvider, IAsyncDisposable
{
    private const string Path = "/tiers";
    private const string Scheme = "Bearer ";
    private const int KeyBytes = 32;
    private const int MaxBody = 4096;

    // Only the latest request for a tier counts, so the queue stays short.
    private readonly Channel<TierRequest> _requests = Channel.CreateUnbounded<TierRequest>(new UnboundedChannelOptions { SingleReader = true });
    private readonly Dictionary<string, Func<int>> _tiers = new(StringComparer.OrdinalIgnoreCase);
    private readonly Lazy<Task<WebApplication>> _server;

    public TierListener() => _server = new(StartAsync);

    /// <summary>The key that requests carry as bearer token. Each start generates another one.</summary>
    public string Key { get; } = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(KeyBytes));

    /// <summary>The accepted requests, in order.</summary>
    public ChannelReader<TierRequest> Requests => _requests.Reader;

    public string ValueExpression => "{tiers.url}";

    /// <summary>Accepts requests for a tier.</summary>
    /// <param name="tier">Its name.</param>
    /// <param name="count">The number of its instances.</param>
    /// <returns>False if the tier was added before.</returns>
    public bool TryAdd(string tier, Func<int> count) => _tiers.TryAdd(tier, count);

    /// <summary>The listener's address. The first call starts it on a free port.</summary>
    public async ValueTask<string?> GetValueAsync(CancellationToken cancellationToken = default) =>
        (await _server.Value.WaitAsync(cancellationToken)).Urls.First() + Path;

    public async ValueTask DisposeAsync()
    {
        if (_server.IsValueCreated)
            await (await _server.Value).DisposeAsync();
    }

    private async Task<WebApplication> StartAsync()
    {
        // Without the application's configuration, whose addresses are the dashboard's.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = MaxBody;
            kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http1);
        });
        var app = builder.Build();
        app.Run(AnswerAsync);
        await app.StartAsync();
        return app;
    }

    private async Task AnswerAsync(HttpContext context)
    {
        context.Response.StatusCode = !IsAllowed(context.Request.Headers.Authorization.ToString()) ? StatusCodes.Status401Unauthorized
            : context.Request.Path != Path ? StatusCodes.Status404NotFound
            : !HttpMethods.IsPost(context.Request.Method) ? StatusCodes.Status405MethodNotAllowed
            : await AcceptAsync(context);
    }

    private async Task<int> AcceptAsync(HttpContext context)
    {
        TierRequest? request;
        try
        {
            request = await JsonSerializer.DeserializeAsync(context.Request.Body, TierJson.Default.TierRequest, context.RequestAborted);
        }
        catch (JsonException)
        {
            return StatusCodes.Status400BadRequest;
        }

        if (request is not { Tier: { } tier, Instances: { } instances })
            return StatusCodes.Status400BadRequest;
        if (!_tiers.TryGetValue(tier, out var count))
            return StatusCodes.Status404NotFound;
        if (instances < 0 || instances > count())
            return StatusCodes.Status400BadRequest;
        _requests.Writer.TryWrite(request);
        return StatusCodes.Status202Accepted;
    }

    private bool IsAllowed(string authorization) =>
        authorization.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
        && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(authorization[Scheme.Length..]), Encoding.UTF8.GetBytes(Key));
}
