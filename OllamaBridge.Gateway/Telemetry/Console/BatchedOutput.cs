using System.Buffers;
using System.Text;

namespace OllamaBridge.Gateway.Telemetry.Console;

/// <summary>Text that many write at once, and that goes out in batches: one system call for all that came within a moment.</summary>
internal sealed class BatchedOutput : IDisposable
{
    /// <summary>How long text waits for more at the most.</summary>
    public static readonly TimeSpan Delay = TimeSpan.FromMilliseconds(50);

    private readonly TextWriter _writer;
    private readonly int _maxEntries;
    private readonly bool _drops;
    private readonly ITimer _timer;
    // The order of what is written; taken before the other one.
    private readonly Lock _writing = new();
    private readonly object _gathering = new();
    private ArrayBufferWriter<char> _gathered = new();
    private ArrayBufferWriter<char> _written = new();
    private int _entries;
    private long _dropped;
    private bool _isDue;
    private bool _isSoon;
    private bool _isOver;

    /// <summary>Makes one.</summary>
    /// <param name="writer">Where it goes; flushed after each batch, and disposed of at the end.</param>
    /// <param name="maxEntries">So many texts wait at the most.</param>
    /// <param name="drops">Whether more than that is dropped (and how much is told); else whoever writes waits.</param>
    /// <param name="time">The clock.</param>
    public BatchedOutput(TextWriter writer, int maxEntries, bool drops, TimeProvider time)
    {
        (_writer, _maxEntries, _drops) = (writer, maxEntries, drops);
        _timer = time.CreateTimer(static o => ((BatchedOutput)o!).Flush(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Adds a text.</summary>
    /// <param name="text">The text, its line's end included.</param>
    /// <param name="soon">Whether it does not wait for more.</param>
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

    /// <summary>Writes what there is.</summary>
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
                // Nobody reads it any more; that must not end what is logged about.
            }

            _written.ResetWrittenCount();
        }
    }

    /// <inheritdoc/>
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
