using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Telemetry;

/// <summary>The log's defaults, which the section <c>Logging</c> overrides. They also apply if an operator's settings file has no such section.</summary>
internal static class LoggingDefaults
{
    private const string TimeKey = "Logging:Console:FormatterOptions:TimestampFormat";
    private const string Time = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";

    // ASP.NET Core's own lines have each request's path and query.
    private static readonly (string Category, LogLevel Level)[] Levels =
    [
        ("Microsoft.AspNetCore", LogLevel.Warning),
        ("System.Net.Http", LogLevel.Warning),
        ("Yarp", LogLevel.Error),
        ("Polly", LogLevel.Warning),
        (TelemetryNames.AuditCategory, LogLevel.Information),
    ];

    public static ILoggingBuilder AddDefaults(this ILoggingBuilder logging)
    {
        // First, because of two rules for one category the later one holds: that of the settings.
        logging.Services.Insert(0, ServiceDescriptor.Singleton<IConfigureOptions<LoggerFilterOptions>>(
            new ConfigureOptions<LoggerFilterOptions>(options =>
            {
                foreach (var (category, level) in Levels)
                    options.Rules.Add(new LoggerFilterRule(providerName: null, category, level, filter: null));
            })));
        logging.Services.AddOptions<SimpleConsoleFormatterOptions>().Configure<IConfiguration>((options, settings) => SetTime(options, settings, Time + " "));
        logging.Services.AddOptions<JsonConsoleFormatterOptions>().Configure<IConfiguration>((options, settings) => SetTime(options, settings, Time));
        logging.Services.AddOptions<ConsoleFormatterOptions>().Configure<IConfiguration>((options, settings) => SetTime(options, settings, Time + " "));
        return logging;
    }

    private static void SetTime(ConsoleFormatterOptions options, IConfiguration settings, string format)
    {
        // The default format marks its times as UTC.
        if (settings[TimeKey] is not null)
            return;
        options.TimestampFormat = format;
        options.UseUtcTimestamp = true;
    }
}
