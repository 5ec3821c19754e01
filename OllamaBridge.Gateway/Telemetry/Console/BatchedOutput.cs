using System.Buffers;
using System.Text;

namespace OllamaBridge.Gateway.Telemetry.Console;

/// <summary>Collects text of many threads and writes it in batches: one system call for all text of a moment. Thread-safe.</summary>
internal sealed class BatchedOutput : IDisposable
{
    public static readonly TimeSpan Delay = TimeSpan.FromMilliseconds(50);

    private readonly TextWriter _writer;
    private readonly int _maxEntries;
    private readonly bool _drops;
    private readonly ITimer _timer;
    // Keeps the order of batches. Lock order: before the other lock.
    private readonly Lock _writing = new();
    private readonly object _gathering = new();
    private ArrayBufferWriter<char> _gathered = new();
    private ArrayBufferWriter<char> _written = new();
    private int _entries;
    private long _dropped;
    private bool _isDue;
    private bool _isSoon;
    private bool _isOver;

    /// <summary><paramref name="writer"/> is flushed after each batch and disposed at the end. <paramref name="drops"/>: texts above
    /// <paramref name="maxEntries"/> are dropped, with a count; otherwise the caller blocks.</summary>
    public BatchedOutput(TextWriter writer, int maxEntries, bool drops, TimeProvider time)
    {
        (_writer, _maxEntries, _drops) = (writer, maxEntries, drops);
        _timer = time.CreateTimer(static o => ((BatchedOutput)o!).Flush(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Adds a text, which includes its line end; <paramref name="soon"/> writes it without a delay.</summary>
    public void Append(StringBuilder text, bool soon)
    {
        lock (_gathering)
        {
            while (!_isOver && _entries >= _maxEntries)
            {
                if (_drops)
                {
                    _dropped++;
                    return;
                }

                Schedule(soon: true);
                Monitor.Wait(_gathering);
            }

            if (_isOver)
                return;
            foreach (var chunk in text.GetChunks())
                _gathered.Write(chunk.Span);
            _entries++;
            Schedule(soon || _entries >= _maxEntries / 2);
        }
    }

    public void Flush()
    {
        lock (_writing)
        {
            lock (_gathering)
            {
                (_gathered, _written) = (_written, _gathered);
                if (_dropped > 0)
                    _written.Write($"{_dropped} message(s) dropped because the output is too slow\n");
                (_entries, _dropped, _isDue, _isSoon) = (0, 0, false, false);
                Monitor.PulseAll(_gathering);
            }

            if (_written.WrittenCount == 0)
                return;
            try
            {
                _writer.Write(_written.WrittenSpan);
                _writer.Flush();
            }
            catch (IOException)
            {
                // The reader has closed the output. A failure of logging must not stop the caller.
            }

            _written.ResetWrittenCount();
        }
    }

    public void Dispose()
    {
        lock (_gathering)
        {
            if (_isOver)
                return;
            _isOver = true;
            Monitor.PulseAll(_gathering);
        }

        _timer.Dispose();
        Flush();
        lock (_writing)
            _writer.Dispose();
    }

    private void Schedule(bool soon)
    {
        if (soon ? _isSoon : _isDue)
            return;
        (_isDue, _isSoon) = (true, soon);
        _timer.Change(soon ? TimeSpan.Zero : Delay, Timeout.InfiniteTimeSpan);
    }
}
