using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Gateway.Telemetry.Console;

namespace OllamaBridge.Gateway.FunctionalTests.Telemetry.Console;

public sealed class BatchedConsoleTests
{
    private readonly MemoryStream _output = new();
    private readonly MemoryStream _errors = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void Log_ErrorThreshold_SplitsOutput()
    {
        Log(new() { FormatterName = ConsoleFormatterNames.Simple, LogToStandardErrorThreshold = LogLevel.Warning }, logger =>
        {
            Say(logger, LogLevel.Information, "a request");
            Say(logger, LogLevel.Warning, "a warning");
        });

        Assert.Contains("a request", Text(_output));
        Assert.DoesNotContain("a warning", Text(_output));
        Assert.Contains("a warning", Text(_errors));
        Assert.DoesNotContain("a request", Text(_errors));
    }

    [Fact]
    public void Log_Json_EqualsFormatterOutput()
    {
        Log(new() { FormatterName = ConsoleFormatterNames.Json }, logger =>
        {
            using (logger.BeginScope("within"))
                Say(logger, LogLevel.Information, "text with ü and 42", 7);
        });

        var line = JsonNode.Parse(Text(_output))!;
        Assert.Equal(7, line["EventId"]!.GetValue<int>());
        Assert.Equal("text with ü and 42", line["Message"]!.GetValue<string>());
        Assert.Equal("test", line["Category"]!.GetValue<string>());
        Assert.Equal("within", line["Scopes"]![0]!.GetValue<string>());
    }

    [Fact]
    public void Log_UnknownFormatter_UsesSimple()
    {
        Log(new() { FormatterName = "none such" }, logger => Say(logger, LogLevel.Information, "a line"));

        Assert.Contains("info: test[0]", Text(_output));
    }

    [Fact]
    public void Log_WhileFormatting_BothLinesComplete()
    {
        Log(new(), logger => logger.Log(LogLevel.Information, default, "outer", null, (state, _) =>
        {
            Say(logger, LogLevel.Information, "inner");
            return state;
        }));

        Assert.Matches("^info: test\\[0\\]\\s+inner\\s+info: test\\[0\\]\\s+outer\\s+$", Text(_output));
    }

    [Fact]
    public async Task Request_BridgeStopsImmediately_LineWritten()
    {
        await using var fleet = await TestFleet.StartAsync(1);
        await using var bridge = await GatewayProcess.StartAsync(
            fleet.Servers, 1, ("Logging:LogLevel:Default", "Information"), ("Logging:Console:FormatterName", "json"));
        using var client = new HttpClient { BaseAddress = bridge.Url };

        using (var answer = await client.GetAsync("/api/version", Token))
            answer.EnsureSuccessStatusCode();
        bridge.Terminate();

        Assert.Equal(0, await bridge.EndAsync());
        var lines = bridge.LastLines.Split('\n').Where(l => l.Length > 0).Select(l => JsonNode.Parse(l)!).ToArray();
        Assert.Single(lines, l => l["EventId"]!.GetValue<int>() == 1302);
    }

    private static void Say(ILogger logger, LogLevel level, string text, int id = 0) => logger.Log(level, new EventId(id), text, null, (state, _) => state);

    private static string Text(MemoryStream stream) => Encoding.UTF8.GetString(stream.ToArray());

    private void Log(ConsoleLoggerOptions options, Action<ILogger> log)
    {
        using var services = new ServiceCollection()
            .AddLogging(l => l.AddConsole().AddSimpleConsole(o => o.ColorBehavior = LoggerColorBehavior.Disabled).AddJsonConsole(o => o.IncludeScopes = true))
            .BuildServiceProvider();
        using var console = new BatchedConsoleProvider(Options.Create(options), services.GetServices<ConsoleFormatter>(), _output, _errors);
        using (var factory = LoggerFactory.Create(l => l.AddProvider(console)))
            log(factory.CreateLogger("test"));
    }
}
