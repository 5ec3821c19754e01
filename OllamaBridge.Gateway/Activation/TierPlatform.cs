using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Activation;

/// <summary>Reads and writes a tier's scale within a time limit, and remembers the last known scale.</summary>
internal sealed class TierPlatform(Tier tier, IInstanceActivator activator, TimeProvider time, AuditTrail? audit = null)
{
    private const int Unknown = -1;
    // Time limit of one request.
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);
    private int _wanted = Unknown;
    private long _raisedAt;
    private volatile string? _error;

    public int? Wanted => Volatile.Read(ref _wanted) is >= 0 and var wanted ? wanted : null;

    public string? Error => _error;

    public TimeSpan SinceRaised => time.GetElapsedTime(_raisedAt);

    /// <exception cref="ActivationException">The scale cannot be read.</exception>
    public async Task<TierScale> ReadAsync(CancellationToken cancellationToken)
    {
        using var timeout = new LinkedTimeout(Timeout, time, cancellationToken);
        var scale = await WithinAsync(activator.ReadAsync(tier, timeout.Token), cancellationToken);
        if (scale.Instances is { } instances)
            SetWanted(instances);
        return scale;
    }

    /// <exception cref="ActivationException">The scale was not changed, or the result is unknown.</exception>
    public async Task WriteAsync(int instances, TierScale seen, CancellationToken cancellationToken)
    {
        var before = Wanted;
        using var timeout = new LinkedTimeout(Timeout, time, cancellationToken);
        await WithinAsync(WriteAsync(timeout.Token), cancellationToken);
        audit?.Record(
            AuditActors.Bridge, AuditActions.TierScale, tier.Name, before is null ? null : new JsonObject { ["instances"] = before }, new JsonObject { ["instances"] = instances });
        SetWanted(instances);
        if (instances > 0)
            _raisedAt = time.GetTimestamp();

        async Task<bool> WriteAsync(CancellationToken gone)
        {
            await activator.WriteAsync(tier, instances, seen, gone);
            return true;
        }
    }

    /// <summary>Sets the scale that the platform has without a request; null if it is unknown.</summary>
    public void SetWanted(int? instances) => Volatile.Write(ref _wanted, instances ?? Unknown);

    public void NoteSuccess() => _error = null;

    public void NoteFailure(string error)
    {
        // The same failure is repeated every few seconds.
        if (_error != error)
            audit?.Record(AuditActors.Bridge, AuditActions.TierScale, tier.Name, null, null, error);
        _error = error;
    }

    private static async Task<T> WithinAsync<T>(Task<T> request, CancellationToken cancellationToken)
    {
        try
        {
            return await request;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ActivationException(ActivationFailure.Failed, $"no response within {Timeout.TotalSeconds} s");
        }
    }
}
