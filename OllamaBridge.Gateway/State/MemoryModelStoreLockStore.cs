using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.State;

/// <summary>Stores the exclusive right to change models in memory, for one gateway or, in tests, for several gateways in one process.</summary>
internal sealed class MemoryModelStoreLockStore(TimeProvider time) : IModelStoreLockStore
{
    private readonly Lock _lock = new();
    private string? _writer;
    private Moment _until;

    public ValueTask<ModelStoreClaim> HoldAsync(string writer, TimeSpan lifetime, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            var now = time.GetMoment();
            if (_writer is not null && _writer != writer && now < _until)
                return ValueTask.FromResult(ModelStoreClaim.HeldElsewhere);
            (_writer, _until) = (writer, now + lifetime);
            return ValueTask.FromResult(ModelStoreClaim.Held);
        }
    }

    public ValueTask ReleaseAsync(string writer, CancellationToken cancellationToken)
    {
        lock (_lock)
            if (_writer == writer)
                _writer = null;
        return ValueTask.CompletedTask;
    }
}
