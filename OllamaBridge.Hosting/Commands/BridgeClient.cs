using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using Aspire.Hosting.ApplicationModel;

namespace OllamaBridge.Hosting;

/// <summary>HTTP calls to a bridge and to its instances on behalf of dashboard commands.</summary>
internal static class BridgeClient
{
    // One for all commands, without the client factory and its four log entries per request. Loading a model takes minutes: callers cancel.
    private static readonly HttpClient Http = new(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(1) })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };

    /// <summary>Sends a request to one of the bridge's endpoints, with the operator's key if the bridge has keys.</summary>
    public static async Task<HttpResponseMessage> SendAsync(
        BridgeModel fleet, EndpointReference endpoint, HttpMethod method, string path, HttpContent? content, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, new Uri(endpoint.Url + path)) { Content = content };
        if (fleet.OperatorKey is { } key)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", await key.GetValueAsync(cancellationToken));
        return await Http.SendAsync(request, cancellationToken);
    }

    /// <summary>Sends a request to an instance.</summary>
    public static async Task<HttpResponseMessage> PostAsync(BridgeInstance instance, string path, HttpContent content, CancellationToken cancellationToken) =>
        await Http.PostAsync(new Uri((instance.Endpoint?.Url ?? instance.Url) + path), content, cancellationToken);

    /// <summary>Runs a command. If the server does not respond, the command fails with the reason.</summary>
    public static async Task<ExecuteCommandResult> GuardAsync(Func<Task<ExecuteCommandResult>> action)
    {
        try
        {
            return await action();
        }
        catch (HttpRequestException e)
        {
            return CommandResults.Failure(e.Message);
        }
        catch (OperationCanceledException)
        {
            return CommandResults.Canceled();
        }
    }

    /// <summary>The message of an error response: Ollama's <c>error</c>, the admin API's <c>detail</c> or <c>title</c>.</summary>
    public static string ErrorOf(string body)
    {
        const string Unknown = "the response gives no reason";
        try
        {
            var json = JsonNode.Parse(body);
            return (json?["error"] ?? json?["detail"] ?? json?["title"])?.ToString() ?? Unknown;
        }
        catch (JsonException)
        {
            return Unknown;
        }
    }
}
