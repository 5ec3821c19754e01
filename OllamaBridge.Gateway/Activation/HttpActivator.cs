using System.Net.Http.Headers;

namespace OllamaBridge.Gateway.Activation;

/// <summary>Tells an address how many instances there are to be: <c>POST</c> of <c>{"tier":"cold","instances":1}</c>; 2xx is a yes.</summary>
/// <remarks>It is told, not asked: how many there are the bridge takes from what it said itself.</remarks>
internal sealed class HttpActivator : IInstanceActivator, IDisposable
{
    /// <summary>What the configuration calls it.</summary>
    public const string ActivatorName = "Http";

    // It goes where it is configured to, and nowhere else.
    private readonly HttpClient _client = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false }) { Timeout = Timeout.InfiniteTimeSpan };

    /// <inheritdoc/>
    public string Name => ActivatorName;

    /// <inheritdoc/>
    public Task<TierScale> ReadAsync(Tier tier, CancellationToken cancellationToken) => Task.FromResult(default(TierScale));

    /// <inheritdoc/>
    public async Task WriteAsync(Tier tier, int instances, TierScale seen, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, tier.Options.Url)
        {
            Content = JsonContent.Create(new TierRequest(tier.Name, instances), ActivationJson.Default.TierRequest),
        };
        if (!string.IsNullOrEmpty(tier.Options.ApiKey))
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", tier.Options.ApiKey);
        try
        {
            using var answer = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            if (!answer.IsSuccessStatusCode)
                throw new ActivationException(ActivationException.FailureOf((int)answer.StatusCode), $"it answers {(int)answer.StatusCode}");
        }
        catch (HttpRequestException e)
        {
            throw new ActivationException(ActivationFailure.Failed, $"it cannot be asked: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();
}
