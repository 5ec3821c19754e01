using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Tests.Tenants;

/// <summary>Keys, their verifiers, their allowed models, and the login throttle.</summary>
public sealed class ApiKeyTests
{
    [Fact]
    public void Create_Key_MatchesItsVerifierAndNoOther()
    {
        var (key, verifier) = ApiKey.Create();
        var (other, _) = ApiKey.Create();

        Assert.True(ApiKey.TrySplit(key, out var id, out var secret));
        Assert.Equal(verifier.Id, id);
        Assert.True(ApiKey.Matches(verifier, secret));
        Assert.True(ApiKey.TrySplit(other, out _, out var wrong));
        Assert.False(ApiKey.Matches(verifier, wrong));
        Assert.False(ApiKey.Matches(verifier, secret[..^1]));
    }

    [Fact]
    public void Verifier_AsText_RoundTripsWithoutSecret()
    {
        var (key, verifier) = ApiKey.Create();

        Assert.True(KeyVerifier.TryParse(verifier.ToString(), out var read));
        Assert.Equal(verifier.ToString(), read.ToString());
        Assert.DoesNotContain(key[(ApiKey.Prefix.Length + ApiKey.IdLength + 1)..], verifier.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("sk-0123456789abcdef")]
    [InlineData("ob-0123456789ab")]
    [InlineData("ob-0123456789ab-")]
    [InlineData("ob-0123456789abXsecret")]
    public void TrySplit_ForeignKey_False(string key) => Assert.False(ApiKey.TrySplit(key, out _, out _));

    [Fact]
    public void TrySplit_OversizedSecret_False() => Assert.False(ApiKey.TrySplit($"ob-0123456789ab-{new string('x', 100_000)}", out _, out _));

    [Fact]
    public void TryCreateVerifier_WholeKey_VerifierOfThatKey()
    {
        var (key, _) = ApiKey.Create();

        Assert.True(ApiKey.TryCreateVerifier(key, out var verifier));

        Assert.True(ApiKey.TrySplit(key, out var id, out var secret));
        Assert.Equal(id, verifier.Id);
        Assert.True(ApiKey.Matches(verifier, secret));
    }

    [Theory]
    [InlineData("")]
    [InlineData("secret")]
    [InlineData("ob-0123456789ab-password")]
    [InlineData("ob-0123456789AB-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("ob-0123456789ab-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("ob-0123456789ab-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("ob-0123456789ab-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA!A")]
    public void TryCreateVerifier_WeakOrForeignKey_False(string key) => Assert.False(ApiKey.TryCreateVerifier(key, out _));

    [Fact]
    public void Validate_WholeKeyInConfiguration_TenantOfKey()
    {
        var (key, _) = ApiKey.Create();
        var options = new TenantsOptions { ["clients"] = new TenantOptions { Keys = [$"{key};2099-01-31"] } };

        Assert.True(new TenantsOptionsValidator().Validate(null, options).Succeeded);
        var kept = Assert.Single(Assert.Single(TenantsOptionsValidator.Read(options)).Keys);

        Assert.True(ApiKey.TrySplit(key, out _, out var secret));
        Assert.True(KeyVerifier.TryParse(kept.Verifier, out var verifier));
        Assert.True(ApiKey.Matches(verifier, secret));
        Assert.Equal(2099, kept.Expires!.Value.Year);
        Assert.DoesNotContain(secret.ToString(), kept.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Validate_PasswordAsKey_RefusedWithoutRepeatingIt()
    {
        var options = new TenantsOptions { ["clients"] = new TenantOptions { Keys = ["my-own-password"] } };

        var result = new TenantsOptionsValidator().Validate(null, options);

        Assert.True(result.Failed);
        Assert.Contains("Bridge:Tenants:clients:Keys:0", result.FailureMessage, StringComparison.Ordinal);
        Assert.DoesNotContain("my-own-password", result.FailureMessage, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0123456789ab.AA.AA")]
    [InlineData("0123456789AB.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("0123456789ab.!!!!.????")]
    [InlineData("plain-text-key")]
    [InlineData(null)]
    public void TryParse_InvalidVerifier_False(string? text) => Assert.False(KeyVerifier.TryParse(text, out _));

    [Theory]
    [InlineData("deepseek-r1:7b", true)]
    [InlineData("deepseek-r1:70b", false)]
    [InlineData("qwen3:8b", true)]
    [InlineData("nomic-embed-text:latest", true)]
    public void Allows_NamesAndPrefixes_AsWritten(string key, bool allowed) =>
        Assert.Equal(allowed, new ModelAccess(["DeepSeek-R1:7B", "qwen3*", "nomic-embed-text"]).Allows(key));

    [Fact]
    public void Fail_Repeatedly_DelayGrowsToLimitAndExpires()
    {
        var time = new FakeTimeProvider();
        var brake = new FailedLoginThrottle(time);

        var delays = Enumerable.Range(0, 12).Select(_ => brake.Fail("10.0.0.1").TotalSeconds).ToArray();

        Assert.Equal([0, 0, 0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 3.2, 3.2, 3.2], delays, (a, b) => Math.Abs(a - b) < 1e-9);
        Assert.Equal(TimeSpan.Zero, brake.Fail("10.0.0.2"));
        time.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal(TimeSpan.Zero, brake.Fail("10.0.0.1"));
    }

    [Theory]
    [InlineData(null, null, null, null)]
    [InlineData("urls", "http://127.0.0.1:1;http://localhost:2;http://[::1]:3", null, null)]
    [InlineData("urls", "http://127.0.0.1:1;http://0.0.0.0:2", "http://0.0.0.0:2", null)]
    [InlineData("urls", "http://*:80", "http://*:80", null)]
    [InlineData("urls", "http://gpu-host:80", "http://gpu-host:80", null)]
    [InlineData("http_ports", "8080", "http://*:8080", null)]
    [InlineData("Kestrel:Endpoints:A:Url", "http://10.0.0.1:80", "http://10.0.0.1:80", null)]
    [InlineData("Kestrel:Endpoints:A:Url", "http://localhost:80", null, "http_ports")]
    public void FindOpenAddress_Settings_FirstRemotelyReachable(string? key, string? value, string? open, string? ignored)
    {
        var settings = new Dictionary<string, string?>();
        if (key is not null)
            settings[key] = value;
        if (ignored is not null)
            settings[ignored] = "8080";

        Assert.Equal(open, ListenRules.FindOpenAddress(new ConfigurationBuilder().AddInMemoryCollection(settings).Build()));
    }
}
