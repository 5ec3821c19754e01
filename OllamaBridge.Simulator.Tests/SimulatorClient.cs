using System.Net;
using System.Text;
using System.Text.Json;

namespace OllamaBridge.Simulator.Tests;

/// <summary>A client of one simulator with short methods for the tests' requests.</summary>
internal sealed class SimulatorClient(SimulatedServer server) : IDisposable
{
    private readonly HttpClient _client = new() { BaseAddress = server.Url, Timeout = TimeSpan.FromSeconds(30) };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public Task<HttpResponseMessage> SendAsync(string path, string body, CancellationToken cancellationToken = default) =>
        _client.SendAsync(new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body, Encoding.UTF8) },
            HttpCompletionOption.ResponseHeadersRead, cancellationToken.CanBeCanceled ? cancellationToken : Token);

    public async Task<(HttpStatusCode Status, string Body)> PostAsync(string path, string body)
    {
        using var response = await SendAsync(path, body);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(Token));
    }

    public async Task<JsonElement> JsonAsync(string path, string body) => JsonElement.Parse((await PostAsync(path, body)).Body);

    public async Task<JsonElement> GetAsync(string path) => JsonElement.Parse(await _client.GetStringAsync(path, Token));

    public async Task<string[]> LinesAsync(string path, string body) =>
        (await PostAsync(path, body)).Body.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public async Task<string[]> LoadedAsync() =>
        [.. (await GetAsync("/api/ps")).GetProperty("models").EnumerateArray().Select(m => m.GetProperty("name").GetString()!)];

    public async Task<string> GenerateAsync(string body) => (await JsonAsync("/api/generate", body)).GetProperty("response").GetString()!;

    public void Dispose() => _client.Dispose();
}
