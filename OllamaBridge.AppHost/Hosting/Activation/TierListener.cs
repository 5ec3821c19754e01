using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace OllamaBridge.Hosting;

/// <summary>Hears on this machine's loopback how many instances of a tier the bridge wants, from nobody without its key.</summary>
internal sealed class TierListener : IValueProvider, IManifestExpressionProvider, IAsyncDisposable
{
    private const string Path = "/tiers";
    private const string Scheme = "Bearer ";
    private const int KeyBytes = 32;
    private const int MaxBody = 4096;

    // A later wish for a tier is the one that counts; there are never many before it.
    private readonly Channel<TierWish> _wishes = Channel.CreateUnbounded<TierWish>(new UnboundedChannelOptions { SingleReader = true });
    private readonly Dictionary<string, Func<int>> _tiers = new(StringComparer.OrdinalIgnoreCase);
    private readonly Lazy<Task<WebApplication>> _server;

    public TierListener() => _server = new(StartAsync);

    /// <summary>Who does not show it is refused. Another one at each start.</summary>
    public string Key { get; } = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(KeyBytes));

    /// <summary>What was asked for, in its order.</summary>
    public ChannelReader<TierWish> Wishes => _wishes.Reader;

    /// <inheritdoc/>
    public string ValueExpression => "{tiers.url}";

    /// <summary>Lets a tier be asked for.</summary>
    /// <param name="tier">Its name.</param>
    /// <param name="count">How many instances it has.</param>
    public void Add(string tier, Func<int> count) => _tiers[tier] = count;

    /// <summary>Where it listens, from the first call on: on a port that was free then.</summary>
    public async ValueTask<string?> GetValueAsync(CancellationToken cancellationToken = default) =>
        (await _server.Value.WaitAsync(cancellationToken)).Urls.First() + Path;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_server.IsValueCreated)
            await (await _server.Value).DisposeAsync();
    }

    private async Task<WebApplication> StartAsync()
    {
        // Without anybody's configuration: the application's own addresses are the dashboard's.
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
        TierWish? wish;
        try
        {
            wish = await JsonSerializer.DeserializeAsync(context.Request.Body, TierJson.Default.TierWish, context.RequestAborted);
        }
        catch (JsonException)
        {
            return StatusCodes.Status400BadRequest;
        }

        if (wish is not { Tier: { } tier, Instances: { } instances })
            return StatusCodes.Status400BadRequest;
        if (!_tiers.TryGetValue(tier, out var count))
            return StatusCodes.Status404NotFound;
        if (instances < 0 || instances > count())
            return StatusCodes.Status400BadRequest;
        _wishes.Writer.TryWrite(wish);
        return StatusCodes.Status202Accepted;
    }

    private bool IsAllowed(string authorization) =>
        authorization.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
        && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(authorization[Scheme.Length..]), Encoding.UTF8.GetBytes(Key));
}
