using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Memory;
using OllamaBridge.Simulator.Text;

namespace OllamaBridge.Simulator.Generation;

/// <summary>The run of an embedding request: its lease on the model and its modelled time.</summary>
internal sealed class EmbeddingRun : IDisposable
{
    private const string NotBuiltFor = "This server does not support embeddings. Start it with `--embeddings`";

    private readonly Call _call;
    private readonly RunnerLease _lease;

    private EmbeddingRun(Call call, RunnerLease lease, long loadDuration)
    {
        _call = call;
        _lease = lease;
        LoadDuration = loadDuration;
    }

    /// <summary>In nanoseconds.</summary>
    public long LoadDuration { get; }

    /// <summary>The number of evaluated tokens.</summary>
    public int Tokens { get; private set; }

    /// <exception cref="ApiError">503: the queue is full.</exception>
    public static async Task<EmbeddingRun> StartAsync(Call call, StoredModel stored, RunnerSettings settings, TimeSpan? keepAlive)
    {
        var began = call.Time.GetTimestamp();
        var lease = await call.Memory.AcquireAsync(stored, settings, keepAlive, call.Aborted);
        return new EmbeddingRun(call, lease, GenerationEngine.Nanoseconds(call.Time.GetElapsedTime(began)));
    }

    /// <exception cref="ApiError">501: the model was not loaded for embeddings.</exception>
    public async Task EvaluateAsync(IReadOnlyList<string> inputs)
    {
        await _lease.EnterSlotAsync(_call.Aborted);
        var model = _lease.Runner.Stored.Model;
        if (!model.Can(ModelCapability.Embedding))
            throw new ApiError(501, NotBuiltFor);
        Tokens = inputs.Sum(i => Tokenizer.Count(i) + 1);
        if (_call.Fault is { Kind: FaultKind.SlowFirstToken } fault)
            await Task.Delay(fault.Delay > TimeSpan.Zero ? fault.Delay : Timeout.InfiniteTimeSpan, _call.Time, _call.Aborted);
        await _call.Server.Faults.WhileFrozenAsync(_call.Path, _lease.Runner.Stored.ShortName, _call.Aborted);
        await new Pace(_call.Time, model, _call.Options).PrefillAsync(Tokens, _call.Aborted);
    }

    public void Dispose() => _lease.Dispose();
}
