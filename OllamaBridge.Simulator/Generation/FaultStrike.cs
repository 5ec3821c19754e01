using OllamaBridge.Simulator.Hosting;

namespace OllamaBridge.Simulator.Generation;

/// <summary>Applies a request's fault at its token.</summary>
internal sealed class FaultStrike(Call call, StoredModel stored, TokenSink sink)
{
    private const string RunnerDied = "an error was encountered while running the model: unexpected EOF";

    private readonly Fault? _fault = call.Fault;
    private int _sent;

    public async ValueTask BeforeFirstTokenAsync()
    {
        if (_fault is { Kind: FaultKind.SlowFirstToken })
            await WaitAsync();
        await call.Server.Faults.WhileFrozenAsync(call.Path, stored.ShortName, call.Aborted);
    }

    /// <summary>Called before each line; true if the fault has ended the response.</summary>
    public ValueTask<bool> BeforeTokenAsync() =>
        _fault is null || _sent++ != _fault.AfterTokens ? ValueTask.FromResult(false) : StrikeAsync(_fault);

    private async ValueTask<bool> StrikeAsync(Fault fault)
    {
        switch (fault.Kind)
        {
            case FaultKind.Stall:
                await WaitAsync();
                return false;
            case FaultKind.MalformedLine:
                return await sink.MalformedAsync(call.Aborted);
            case FaultKind.EndEarly:
                return true;
            case FaultKind.CutAfterTokens:
                await Connections.CutAsync(call.Http);
                return true;
            case FaultKind.Die:
                await Connections.DrainAsync(call.Http);
                await call.Server.KillAsync();
                return true;
            case FaultKind.ErrorLine:
                call.Memory.KillRunner(stored);
                await sink.FailAsync(new ApiError(500, fault.Message ?? RunnerDied), call.Aborted);
                return true;
            default:
                return false;
        }
    }

    private Task WaitAsync() => Task.Delay(_fault!.Delay > TimeSpan.Zero ? _fault.Delay : Timeout.InfiniteTimeSpan, call.Time, call.Aborted);
}
