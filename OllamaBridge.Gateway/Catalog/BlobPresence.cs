using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Catalog;

/// <summary>Checks whether an instance has a blob, because an instance that has it would not read the gigabytes of the upload.</summary>
internal sealed class BlobPresence([FromKeyedServices(InstanceClients.Fresh)] HttpMessageInvoker client, IFleet fleet, TimeProvider time)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private const int DigestLength = 64;

    /// <summary>Null if the instance can't be reached in 5 seconds. The digest is <c>sha256:HEX</c> or <c>sha256-HEX</c>.</summary>
    public async Task<bool?> QueryAsync(Instance instance, string digest, CancellationToken cancellationToken)
    {
        if (!IsDigest(digest))
            return false;
        using var limit = new LinkedTimeout(Patience, time, cancellationToken);
        using var request = new HttpRequestMessage(HttpMethod.Head, $"{instance.Prefix}/api/blobs/{digest}");
        instance.Authorize(request);
        try
        {
            using var response = await client.SendAsync(request, limit.Token);
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException e)
        {
            if (e.HttpRequestError is HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError)
                fleet.ReportFailure(instance, InstanceFailure.Refused);
            return null;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    private static bool IsDigest(string digest) =>
        digest.Length == "sha256:".Length + DigestLength
        && (digest.StartsWith("sha256:", StringComparison.Ordinal) || digest.StartsWith("sha256-", StringComparison.Ordinal))
        && !digest.AsSpan("sha256:".Length).ContainsAnyExcept("0123456789abcdefABCDEF");
}
