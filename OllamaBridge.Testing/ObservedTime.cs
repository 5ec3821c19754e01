using Microsoft.Extensions.Time.Testing;

namespace OllamaBridge.Testing;

/// <summary>A clock under the test's control whose timers can be waited for, so that a test advances it only when the code under test waits.</summary>
internal sealed class ObservedTime : FakeTimeProvider
{
    private readonly Lock _lock = new();
    private readonly HashSet<Timer> _timers = [];
    private TaskCompletionSource _changed = New();

    /// <summary>Waits until the due times of all timers that have not been disposed satisfy a condition.</summary>
    public async Task TimersBecomeAsync(Func<IReadOnlyList<TimeSpan>, bool> condition)
    {
        using var guard = TestTimeouts.StartGuard();
        while (true)
        {
            Task changed;
            lock (_lock)
            {
                if (condition([.. _timers.Select(t => t.Due)]))
                    return;
                changed = _changed.Task;
            }

            await changed.WaitAsync(guard.Token);
        }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this, dueTime);
        timer.Inner = base.CreateTimer(callback, state, dueTime, period);
        Change(() => _timers.Add(timer));
        return timer;
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Change(Action change)
    {
        TaskCompletionSource changed;
        lock (_lock)
        {
            change();
            (changed, _changed) = (_changed, New());
        }

        changed.SetResult();
    }

    private sealed class Timer(ObservedTime time, TimeSpan due) : ITimer
    {
        public TimeSpan Due { get; private set; } = due;

        public ITimer Inner { get; set; } = null!;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            var changed = Inner.Change(dueTime, period);
            time.Change(() => Due = dueTime);
            return changed;
        }

        public void Dispose()
        {
            Inner.Dispose();
            time.Change(() => time._timers.Remove(this));
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
