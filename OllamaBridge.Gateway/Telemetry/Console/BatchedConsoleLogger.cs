using Microsoft.Extensions.Logging.Abstractions;

namespace OllamaBridge.Gateway.Telemetry.Console;

internal sealed class BatchedConsoleLogger(string category, BatchedConsoleProvider console) : ILogger
{
    private const int UsualLine = 1024;

    [ThreadStatic]
    private static StringWriter? t_writer;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => console.Scopes?.Push(state);

    public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel))
            return;
        // Taken from the thread's cache while in use: the formatted state may itself log.
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
