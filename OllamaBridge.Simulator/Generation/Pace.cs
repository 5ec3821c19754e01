namespace OllamaBridge.Simulator.Generation;

/// <summary>Waits for the modelled times. Tokens are due at fixed times from the start, so timer delays do not accumulate.</summary>
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
        // The first token results from the prompt's evaluation; each further token is one step.
        var left = (_decode * _tokens++) - time.GetElapsedTime(_start);
        if (left <= TimeSpan.Zero)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return ValueTask.CompletedTask;
        }
        return new ValueTask(Task.Delay(left < Least ? Least : left, time, cancellationToken));
    }
}
