using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Testing;

namespace OllamaBridge.Gateway.FunctionalTests.Telemetry;

/// <summary>Log output of the program with an operator's own settings file.</summary>
public sealed partial class LoggingDefaultsTests : IDisposable
{
    private const string Announcement = "Now listening on: ";
    private readonly string _folder = Directory.CreateTempSubdirectory("settings").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Log_DefaultSettings_OneLinePerRequestWithUtcTimeAndNoQueryString()
    {
        var lines = await RunAsync("{}", 2);

        var text = string.Join('\n', lines);
        Assert.DoesNotContain("secret-query", text, StringComparison.Ordinal);
        Assert.DoesNotContain("Request starting", text, StringComparison.Ordinal);
        Assert.Equal(2, lines.Count(l => l.Contains("[1302]", StringComparison.Ordinal)));
        Assert.All(lines.Where(l => Level().IsMatch(l)), l => Assert.Matches(UtcTime(), l));
        Assert.All(lines.Where(l => l.Contains("tags", StringComparison.Ordinal)), l => Assert.Matches(@"request req_[0-9a-f]{24}, client 127\.0\.0\.1, key", l));
    }

    [Fact]
    public async Task Log_ConfiguredCategoryLevel_OverridesDefault()
    {
        var lines = await RunAsync("""{"Logging":{"LogLevel":{"Microsoft.AspNetCore.Hosting.Diagnostics":"Information"}}}""", 1);
        Assert.Contains(lines, l => l.Contains("Request starting", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Log_Json_EachLineHasUtcTimeIdAndFields()
    {
        var lines = await RunAsync("""{"Logging":{"Console":{"FormatterName":"json"}}}""", 1);

        var request = JsonNode.Parse(lines.Single(l => l.Contains("\"EventId\":1302", StringComparison.Ordinal)))!;
        var time = DateTimeOffset.Parse(request["Timestamp"]!.GetValue<string>(), CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind);
        Assert.Equal(TimeSpan.Zero, time.Offset);
        Assert.EndsWith("Z", request["Timestamp"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal("OllamaBridge.Gateway.Pipeline.RequestRecorder", request["Category"]!.GetValue<string>());
        Assert.Equal(("tags", "127.0.0.1"), (request["State"]!["Operation"]!.GetValue<string>(), request["State"]!["Address"]!.GetValue<string>()));
        Assert.NotNull(request["State"]!["RequestId"]);
        var change = JsonNode.Parse(lines.Single(l => l.Contains("\"EventId\":1860", StringComparison.Ordinal)))!;
        Assert.Equal("OllamaBridge.Audit", change["Category"]!.GetValue<string>());
        Assert.Equal(("tenant.put", "team-a"), (change["State"]!["Action"]!.GetValue<string>(), change["State"]!["Target"]!.GetValue<string>()));
    }

    [Fact]
    public async Task Log_TrustedProxy_ForwardedAddressAndRequestId()
    {
        var lines = await RunAsync(
            "{}", 1, new() { ["ASPNETCORE_FORWARDEDHEADERS_ENABLED"] = "true" }, new() { ["X-Forwarded-For"] = "203.0.113.9", ["X-Request-Id"] = "from-the-proxy" });
        Assert.Contains(lines, l => l.Contains("request from-the-proxy, client 203.0.113.9, key", StringComparison.Ordinal));
    }

    /// <summary>Runs the program with a settings file, sends requests, and returns the log.</summary>
    private async Task<IReadOnlyCollection<string>> RunAsync(
        string settings, int requests, Dictionary<string, string>? environment = null, Dictionary<string, string>? headers = null)
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "appsettings.json"), settings, Token);
        var (process, line) = await RunningProcess.StartDotnetAsync(
            "OllamaBridge.Gateway.dll", [], l => l.Contains(Announcement, StringComparison.Ordinal),
            new Dictionary<string, string>(environment ?? []) { ["ASPNETCORE_URLS"] = "http://127.0.0.1:0", ["ASPNETCORE_CONTENTROOT"] = _folder, ["Logging__Console__FormatterOptions__SingleLine"] = "true" });
        await using var _ = process;
        var url = line[(line.IndexOf(Announcement, StringComparison.Ordinal) + Announcement.Length)..];
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = new Uri(url[..(url.IndexOf('"') is >= 0 and var end ? end : url.Length)].Trim()) };
        foreach (var (name, value) in headers ?? [])
            client.DefaultRequestHeaders.Add(name, value);
        (await client.PutAsJsonAsync("/bridge/tenants/team-a", new { weight = 2 }, Token)).Dispose();
        for (var i = 0; i < requests; i++)
            (await client.GetAsync("/api/tags?q=secret-query", Token)).Dispose();
        await Eventually.BecomesAsync(() => process.Lines.Count(l => l.Contains("1302", StringComparison.Ordinal)) == requests, TimeSpan.FromSeconds(20));
        return [.. process.Lines];
    }

    [GeneratedRegex("^\\S*\\s*(trce|dbug|info|warn|fail|crit):")]
    private static partial Regex Level();

    [GeneratedRegex("^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z (trce|dbug|info|warn|fail|crit):")]
    private static partial Regex UtcTime();
}
