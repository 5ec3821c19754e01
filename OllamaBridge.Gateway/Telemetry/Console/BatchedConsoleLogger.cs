using Microsoft.Extensions.Logging.Abstractions;

namespace OllamaBridge.Gateway.Telemetry.Console;

/// <summary>One category's log, on the console.</summary>
internal sealed class BatchedConsoleLogger(string category, BatchedConsoleProvider console) : ILogger
{
    private const int UsualLine = 1024;

    [ThreadStatic]
    private static StringWriter? t_writer;

    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => console.Scopes?.Push(state);

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

    /// <inheritdoc/>
    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel))
            return;
        // Not kept by the thread while in use: what is formatted may log itself.
        var writer = t_writer ?? new StringWriter();
        t_writer = null;
        var text = writer.GetStringBuilder();
        var entry = new LogEntry<TState>(logLevel, category, eventId, state, exception, formatter);
        console.Formatter.Write(in entry, console.Scopes, writer);
        if (text.Length > 0)
            console.OutputOf(logLevel).Append(text, soon: logLevel >= LogLevel.Warning);
        text.Clear();
        if (text.Capacity > UsualLine)
            text.Capacity = UsualLine;
        t_writer = writer;
    }
}
