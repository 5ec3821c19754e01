namespace OllamaBridge.Simulator.Memory;

/// <summary>A request's use of a loaded model.</summary>
internal sealed class RunnerLease(ModelMemory memory, Runner runner, SimulatorStatistics statistics) : IDisposable
{
    private int _slot;
    private int _released;

    public Runner Runner => runner;

    /// <summary>Waits for one of the model's slots, without a limit as in Ollama.</summary>
    public async ValueTask EnterSlotAsync(CancellationToken cancellationToken)
    {
        if (!runner.Slots.Wait(0, CancellationToken.None))
            await runner.Slots.WaitAsync(cancellationToken);
        _slot = 1;
        statistics.GenerationStarted();
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _released, 1) != 0)
            return;
        if (_slot != 0)
        {
            statistics.GenerationEnded();
            runner.Slots.Release();
        }
        memory.Release(runner);
    }
}
