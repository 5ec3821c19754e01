using System.Net;
using System.Net.Http.Json;
using System.Text;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Tenants;
using OllamaBridge.Testing;
using OllamaSharp;

namespace OllamaBridge.Gateway.FunctionalTests.Tenants;

/// <summary>One valid credential in any supported place is sufficient, and a refusal names the reason.</summary>
public sealed class CredentialTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("Authorization: Bearer KEY", 200)]
    [InlineData("authorization: bearer KEY", 200)]
    [InlineData("x-api-key: KEY", 200)]
    [InlineData("api-key: KEY", 200)]
    [InlineData("Authorization: Bearer sk-of-another-service\nx-api-key: KEY", 200)]
    [InlineData("Authorization: Bearer KEY\nx-api-key: sk-ant-of-another-service", 200)]
    [InlineData("Authorization: Bearer WRONG\nx-api-key: KEY", 200)]
    [InlineData("Authorization: Bearer OLD\nx-api-key: KEY", 200)]
    [InlineData("Authorization: Basic dXNlcjpwYXNz\nx-api-key: KEY", 200)]
    [InlineData("Authorization: Basic BASIC", 200)]
    [InlineData("Authorization: Negotiate abc\napi-key: KEY", 200)]
    [InlineData("", 401, "none was sent")]
    [InlineData("Authorization: Bearer", 401, "none was sent")]
    [InlineData("Authorization: Bearer sk-of-another-service", 401, "is not a key of this bridge")]
    [InlineData("Authorization: Basic %%%", 401, "is not a key of this bridge")]
    [InlineData("x-api-key: WRONG", 401, "the key that was sent is unknown")]
    [InlineData("Authorization: Bearer OLD", 401, "this key has expired (2020-01-31)")]
    [InlineData("Authorization: Bearer OFF", 401, "the tenant of this key, paused, is disabled")]
    [InlineData("Authorization: Bearer OLDx", 401, "the key that was sent is unknown")] // a wrong secret does not reveal that the key exists
    public async Task Send_Credentials_AcceptsAnyValidOneOrNamesReason(string headers, int status, string? words = null)
    {
        var (key, verifier) = ApiKey.Create();
        var (old, oldVerifier) = ApiKey.Create();
        var (off, offVerifier) = ApiKey.Create();
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(
            fleet.Servers,
            ("Bridge:Tenants:team:Keys:0", verifier.ToString()),
            ("Bridge:Tenants:team:Keys:1", $"{oldVerifier};2020-01-31"),
            ("Bridge:Tenants:paused:Keys:0", offVerifier.ToString()),
            ("Bridge:Tenants:paused:Disabled", "true"));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/messages") { Content = JsonContent.Create(Ask.Anthropic()) };
        foreach (var line in headers.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var value = line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim()
                .Replace("KEY", key, StringComparison.Ordinal).Replace("WRONG", ApiKey.Create().Key, StringComparison.Ordinal)
                .Replace("OLD", old, StringComparison.Ordinal).Replace("OFF", off, StringComparison.Ordinal)
                .Replace("BASIC", Convert.ToBase64String(Encoding.UTF8.GetBytes($"any:{key}")), StringComparison.Ordinal);
            request.Headers.TryAddWithoutValidation(line.Split(':')[0], value);
        }

        using var answer = await bridge.Client.SendAsync(request, Token);
        var body = await answer.Content.ReadAsStringAsync(Token);
        Assert.Equal(status, (int)answer.StatusCode);
        if (words is not null)
            Assert.Contains(words, body, StringComparison.Ordinal);
        foreach (var secret in (string[])[key, old, off])
            Assert.DoesNotContain(bridge.Logs.Lines.Append(status == 200 ? "" : body), l => l.Contains(secret, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("10.1.2.3", null, 200, "lab")]
    [InlineData("10.1.9.9", null, 200, "office")] // the smaller network takes precedence
    [InlineData("::ffff:10.1.2.3", null, 200, "lab")]
    [InlineData("fd00::7", null, 200, "lab")]
    [InlineData("192.168.1.7", null, 200, "desk")]
    [InlineData("192.168.1.8", null, 401, null)]
    [InlineData("10.1.2.3", "sk-of-another-service", 200, "lab")]
    [InlineData("10.1.2.3", "KEY", 200, "team")] // a key takes precedence over an address
    [InlineData("10.1.2.3", "WRONG", 401, null)]
    public async Task Send_WithoutKey_TenantByNetwork(string address, string? credential, int status, string? tenant)
    {
        var (key, verifier) = ApiKey.Create();
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(
            fleet.Servers,
            ("Bridge:Tenants:team:Keys:0", verifier.ToString()),
            ("Bridge:Tenants:lab:Networks:0", "10.1.0.0/16"),
            ("Bridge:Tenants:lab:Networks:1", "fd00::/8"),
            ("Bridge:Tenants:office:Networks:0", "10.1.9.0/24"),
            ("Bridge:Tenants:desk:Networks:0", "192.168.1.7"));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/chat") { Content = JsonContent.Create(Ask.Chat(stream: false)) };
        request.Headers.Add("Test-Remote-Address", address);
        if (credential is not null)
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + credential.Replace("KEY", key, StringComparison.Ordinal).Replace("WRONG", ApiKey.Create().Key, StringComparison.Ordinal));

        using var answer = await bridge.Client.SendAsync(request, Token);
        Assert.Equal(status, (int)answer.StatusCode);
        if (tenant is not null)
            await Eventually.BecomesAsync(() => Task.FromResult(bridge.Logs.Lines.Any(l => l.StartsWith("Information 1302 ", StringComparison.Ordinal) && l.Contains($"tenant {tenant}", StringComparison.Ordinal))), TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task Send_ForwardedAddress_NotUsedAsNetwork()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Tenants:lab:Networks:0", "127.0.0.0/8"));
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/tags");
        request.Headers.Add("X-Original-For", "203.0.113.9:1");
        using var answer = await bridge.Client.SendAsync(request, Token);
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
    }

    [Fact]
    public async Task OllamaSharp_WithoutKey_TenantByNetwork()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await TestBridge.StartAsync(fleet.Servers, ("Bridge:Tenants:laptops:Networks:0", "127.0.0.1"), ("Bridge:Tenants:laptops:Models:0", "nothing-here"));
        using var client = new OllamaApiClient(bridge.Url, TestFleet.Model);
        // The client is that tenant and sees only its models.
        Assert.Empty(await client.ListLocalModelsAsync(Token));
    }

    [Fact]
    public async Task Start_InvalidNetworks_EachErrorNamesItsKey()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        var e = await Assert.ThrowsAnyAsync<OptionsValidationException>(() => TestBridge.StartAsync(
            fleet.Servers,
            ("Bridge:Tenants:a:Networks:0", "10.0.0.0/33"), ("Bridge:Tenants:a:Networks:1", "office"), ("Bridge:Tenants:a:Networks:2", "10.0.0.1"), ("Bridge:Tenants:b:Networks:0", "10.0.0.1/32")));
        foreach (var key in (string[])["Bridge:Tenants:a:Networks:0", "Bridge:Tenants:a:Networks:1", "Bridge:Tenants:b:Networks:0"])
            Assert.Contains(key, e.Message, StringComparison.Ordinal);
    }
}
