namespace OllamaBridge.Simulator.Generation;

/// <summary>Spends the modelled time. Tokens are due at fixed hours from the start, so late timers do not add up.</summary>
internal sealed class Pace(TimeProvider time, SimulatedModel model, SimulatorOptions options)
{
    private static readonly TimeSpan Least = TimeSpan.FromMilliseconds(1);

    private readonly TimeSpan _decode = model.DecodePerToken ?? options.DecodePerToken;
    private long _start;
    private int _tokens;

    public async ValueTask PrefillAsync(int tokens, CancellationToken cancellationToken)
    {
        var prefill = (model.PrefillPerToken ?? options.PrefillPerToken) * tokens;
        if (prefill > TimeSpan.Zero)
            await Task.Delay(prefill < Least ? Least : prefill, time, cancellationToken);
        _start = time.GetTimestamp();
    }

    public ValueTask TokenAsync(CancellationToken cancellationToken)
    {
        if (_decode <= TimeSpan.Zero)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return ValueTask.CompletedTask;
        }
        // The first comes out of reading the prompt itself; each further one is a step of its own.
        var left = (_decode * _tokens++) - time.GetElapsedTime(_start);
        if (left <= TimeSpan.Zero)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return ValueTask.CompletedTask;
        }
        return new ValueTask(Task.Delay(left < Least ? Least : left, time, cancellationToken));
    }
}
