using System.Text;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Telemetry.Console;

/// <summary>
/// The log on the console: lines, formatters and settings (<c>Logging:Console</c>) as those of <see cref="ConsoleLoggerProvider"/>, written in batches.
/// That one wakes a thread and makes a system call for each line: with a line for each request that took a sixth of small requests' rate.
/// </summary>
[ProviderAlias("Console")]
internal sealed class BatchedConsoleProvider : ILoggerProvider, ISupportExternalScope
{
    private const int BufferSize = 16 * 1024;
    private readonly LogLevel _errorThreshold;
    private readonly BatchedOutput _output;
    private readonly BatchedOutput _errors;

    /// <summary>Makes one.</summary>
    /// <param name="options">Its settings.</param>
    /// <param name="formatters">Who may be chosen to format.</param>
    public BatchedConsoleProvider(IOptions<ConsoleLoggerOptions> options, IEnumerable<ConsoleFormatter> formatters)
        : this(options, formatters, System.Console.OpenStandardOutput(), System.Console.OpenStandardError())
    {
    }

    /// <inheritdoc cref="BatchedConsoleProvider(IOptions{ConsoleLoggerOptions}, IEnumerable{ConsoleFormatter})"/>
    internal BatchedConsoleProvider(IOptions<ConsoleLoggerOptions> options, IEnumerable<ConsoleFormatter> formatters, Stream output, Stream errors)
    {
        var known = formatters.ToDictionary(f => f.Name, StringComparer.OrdinalIgnoreCase);
        Formatter = known.GetValueOrDefault(options.Value.FormatterName ?? ConsoleFormatterNames.Simple) ?? known[ConsoleFormatterNames.Simple];
        _errorThreshold = options.Value.LogToStandardErrorThreshold;
        var drops = options.Value.QueueFullMode == ConsoleLoggerQueueFullMode.DropWrite;
        _output = Open(output);
        _errors = Open(errors);

        // By the machine's own clock: a line that waits is nobody's decision.
        BatchedOutput Open(Stream stream) => new(
            new StreamWriter(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), BufferSize), options.Value.MaxQueueLength, drops, TimeProvider.System);
    }

    /// <summary>Who writes what is logged.</summary>
    public ConsoleFormatter Formatter { get; }

    /// <summary>The scopes that hold; null before there are any.</summary>
    public IExternalScopeProvider? Scopes { get; private set; }

    /// <summary>Where lines of a level go.</summary>
    public BatchedOutput OutputOf(LogLevel level) => level >= _errorThreshold ? _errors : _output;

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new BatchedConsoleLogger(categoryName, this);

    /// <inheritdoc/>
    public void SetScopeProvider(IExternalScopeProvider scopeProvider) => Scopes = scopeProvider;

    /// <inheritdoc/>
    public void Dispose()
    {
        _output.Dispose();
        _errors.Dispose();
    }
}
