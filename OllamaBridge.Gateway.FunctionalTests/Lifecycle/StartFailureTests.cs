using System.Net;
using System.Net.Sockets;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.FunctionalTests.Lifecycle;

/// <summary>A failed start writes one line with its cause and an exit code, and no stack trace.</summary>
public sealed class StartFailureTests
{
    [Theory]
    [InlineData("Failed to load", "{ \"Bridge\": {")]
    [InlineData("Bridge:Queue:Lenght", "{ \"Bridge\": { \"Queue\": { \"Lenght\": 5 } } }")]
    [InlineData("duplicate", "{ \"Bridge\": { \"Slots\": 1, \"Slots\": 2 } }")]
    public async Task Start_InvalidFile_OneLine(string words, string json)
    {
        var folder = Directory.CreateTempSubdirectory("settings").FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "appsettings.json"), json, TestContext.Current.CancellationToken);

        AssertRefused(await RunAsync([$"--contentRoot={folder}"]), words);
        AssertRefused(await RunAsync(["check-config", $"--contentRoot={folder}"]), words);
    }

    [Theory]
    [InlineData("Invalid url", "--urls=nonsense")]
    [InlineData("/no/such.pfx", "--urls=https://127.0.0.1:0", "--Kestrel:Certificates:Default:Path=/no/such.pfx")]
    [InlineData("203.0.113.9", "--urls=http://203.0.113.9:18999", "--Bridge:Access:AllowAnonymous=true")]
    [InlineData("Bridge:State:ConnectionString", "--Bridge:State:ConnectionString=redis://host:no/")]
    [InlineData("Verbos", "--Logging:LogLevel:Default=Verbos")]
    [InlineData("The nearest one is Bridge:Queue", "--Queue:Length=5")]
    public async Task Start_InvalidSettings_OneLine(string words, params string[] arguments) => AssertRefused(await RunAsync(arguments), words);

    [Fact]
    public async Task Start_PortInUse_OneLine()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();

        AssertRefused(await RunAsync([$"--urls=http://{listener.LocalEndpoint}"]), "address already in use");
    }

    [Theory]
    [InlineData("{0},password=wrong")]
    [InlineData("{0}")]
    public async Task Start_WrongRedisPassword_OneLineWithoutPassword(string form)
    {
        await using var redis = await RunningRedis.StartAsync(arguments: ["--requirepass", "right"]);

        var ended = await RunAsync(["--urls=http://127.0.0.1:0", $"--Bridge:State:ConnectionString={string.Format(System.Globalization.CultureInfo.InvariantCulture, form, $"127.0.0.1:{redis.Port}")}"]);

        AssertRefused(ended, "Redis refuses the password");
        Assert.DoesNotContain("wrong", ended.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--ConnectionStrings:state=redis://host:6379")]
    [InlineData("--Bridge:State:ConnectionString=redis://:wrong@host:6379/0")]
    [InlineData("--Bridge:State:ConnectionString=rediss://user:wrong@host")]
    public async Task Start_RedisUrl_OneLineWithTheRightForm(string argument)
    {
        var ended = await RunAsync([argument]);

        AssertRefused(ended, "is a URL. Write host:6379,user=…,password=…,ssl=true");
        Assert.DoesNotContain("wrong", ended.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Commands_Documented_Succeed()
    {
        var good = await RunAsync(["check-config", "--Bridge:Urls=http://127.0.0.1:1", "--Bridge:Queue:MaxWait=1h30m"]);
        var version = await RunAsync(["--version"]);
        var help = await RunAsync(["--help"]);
        var key = await RunAsync(["new-key"]);
        var unknown = await RunAsync(["chek-config"]);

        Assert.Equal((0, "OK"), (good.Code, good.Output.Trim()));
        Assert.Equal(0, version.Code);
        Assert.StartsWith("0.", version.Output, StringComparison.Ordinal);
        Assert.Equal(0, help.Code);
        Assert.Contains("check-config", help.Output, StringComparison.Ordinal);
        Assert.Equal(0, key.Code);
        Assert.Contains("Bridge:Tenants:NAME:Keys:0", key.Output, StringComparison.Ordinal);
        Assert.Equal(64, unknown.Code);
        Assert.Contains("check-config", unknown.Error, StringComparison.Ordinal);
    }

    private static Task<EndedProcess> RunAsync(string[] arguments) => EndedProcess.RunDotnetAsync(
        "OllamaBridge.Gateway.dll", arguments, [("ASPNETCORE_URLS", "http://127.0.0.1:0")], TimeSpan.FromSeconds(60));

    private static void AssertRefused(EndedProcess ended, string words)
    {
        Assert.Equal(StartupFailure.ExitCode, ended.Code);
        var lines = ended.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(2, lines.Length);
        Assert.Contains(words, lines[1], StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("   at ", ended.Output + ended.Error, StringComparison.Ordinal);
    }
}
