using System.Net.Http.Headers;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Activation;

/// <summary>Scales a tier by posting the desired number of instances to a URL: <c>{"tier":"cold","instances":1}</c>. Any 2xx status is a success.</summary>
/// <remarks>Write-only: the current scale cannot be read, so the bridge relies on its own last successful write.</remarks>
internal sealed class HttpActivator : IInstanceActivator, IDisposable
{
    public const string ActivatorName = "Http";

    // Redirects and proxies are off so that the request and its key reach only the configured URL.
    private readonly HttpClient _client = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false }) { Timeout = Timeout.InfiniteTimeSpan };

    public string Name => ActivatorName;

    public Task<TierScale> ReadAsync(Tier tier, CancellationToken cancellationToken) => Task.FromResult(default(TierScale));

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
                throw new ActivationException(
                    ActivationException.FailureOf((int)answer.StatusCode), $"the scaling endpoint returned status {(int)answer.StatusCode}");
        }
        catch (HttpRequestException e)
        {
            throw new ActivationException(ActivationFailure.Failed, $"the request to the scaling endpoint failed: {e.Message}", e);
        }
    }

    public void Dispose() => _client.Dispose();
}
