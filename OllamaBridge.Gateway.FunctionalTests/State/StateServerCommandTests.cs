using OllamaBridge.StateServer;

namespace OllamaBridge.Gateway.FunctionalTests.State;

/// <summary>The StateServer's command line and environment variables.</summary>
public class StateServerCommandTests
{
    private static readonly Dictionary<string, string?> Nothing = [];

    [Fact]
    public async Task Parse_NoArguments_RedisPortInMemory() => Assert.Equal(new StateServerOptions(6379), await ReadAsync([], Nothing));

    [Fact]
    public async Task Parse_Environment_Used() => Assert.Equal(
        new StateServerOptions(7000, "secret", "/data"),
        await ReadAsync([], new() { ["STATE_PORT"] = "7000", ["STATE_PASSWORD"] = "secret", ["STATE_DATA"] = "/data" }));

    [Fact]
    public async Task Parse_FlagAndEnvironment_FlagWins() => Assert.Equal(
        new StateServerOptions(7001, "told", null),
        await ReadAsync(["--port", "7001", "--password=told"], new() { ["STATE_PORT"] = "none", ["STATE_PASSWORD"] = "secret", ["STATE_DATA"] = "" }));

    [Theory]
    [InlineData("--port", "0")]
    [InlineData("--port", "65536")]
    [InlineData("--port", "redis")]
    [InlineData("--port")]
    [InlineData("--prot", "7000")]
    [InlineData("--password", "pässword")]
    [InlineData("7000")]
    public void Parse_Invalid_OneErrorLine(params string[] args)
    {
        var errors = StateServerCommand.Create(_ => null, (_, _) => throw new InvalidOperationException()).Parse(args).Errors;
        Assert.NotEmpty(errors);
        Assert.DoesNotContain('\n', errors[0].Message);
        Assert.DoesNotContain("pässword", errors[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ToString_WithPassword_OmitsPassword() =>
        Assert.DoesNotContain("secret", new StateServerOptions(Password: "secret").ToString(), StringComparison.Ordinal);

    private static async Task<StateServerOptions?> ReadAsync(string[] args, Dictionary<string, string?> environment)
    {
        StateServerOptions? read = null;
        var line = StateServerCommand.Create(environment.GetValueOrDefault, (options, _) =>
        {
            read = options;
            return Task.FromResult(0);
        }).Parse(args);
        Assert.Empty(line.Errors);
        Assert.Equal(0, await line.InvokeAsync(cancellationToken: TestContext.Current.CancellationToken));
        return read;
    }
}
