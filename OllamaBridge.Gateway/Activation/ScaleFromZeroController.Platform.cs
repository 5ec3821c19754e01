using System.Text.Json.Nodes;
using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Activation;

/// <content>Requests to the platform and the handling of their results.</content>
internal sealed partial class ScaleFromZeroController
{
    /// <summary>Time limit of one request to the platform.</summary>
    public static readonly TimeSpan AskTimeout = TimeSpan.FromSeconds(10);

    private const int MaxConflicts = 3;
    // Delay before the desired scale is read again to check that it still holds.
    private static readonly TimeSpan Again = TimeSpan.FromSeconds(5);
    // Delay before the scale is written again to a platform that cannot be read.
    private static readonly TimeSpan TellAgain = TimeSpan.FromSeconds(30);

    private async Task AskAsync(TierObservation sight, CancellationToken cancellationToken)
    {
        for (var conflicts = 0; ; conflicts++)
        {
            try
            {
                var scale = await WithinAsync(gone => activator.ReadAsync(tier, gone), cancellationToken);
                if (scale.Instances is { } told)
                    SetWanted(told);
                // The platform cannot be read, so after a while the bridge repeats its last write.
                var isForgotten = scale.Instances is null && sight.Starving > 0 && time.GetElapsedTime(_writtenAt) >= TellAgain;
                var wanted = isForgotten ? null : Wanted;
                _episode.Asked |= wanted > 0;
                switch (TierPlan.Decide(sight with { Wanted = wanted }))
                {
                    case 0:
                        await SleepAsync(scale, cancellationToken);
                        break;
                    case { } instances:
                        await RaiseAsync(Math.Max(instances, sight.Starving > 0 ? Wanted ?? 1 : 1), scale, sight, cancellationToken);
                        break;
                    default:
                        _pause.Set(Again);
                        break;
                }

                _error = null;
                return;
            }
            catch (ActivationException e) when (e.Failure == ActivationFailure.Conflict && conflicts < MaxConflicts)
            {
                // Another gateway or an operator changed the scale: read it again.
            }
            catch (ActivationException e)
            {
                Fail(e, sight);
                return;
            }
        }
    }

    private async Task RaiseAsync(int instances, TierScale scale, TierObservation sight, CancellationToken cancellationToken)
    {
        var before = Wanted;
        await WithinAsync(gone => activator.WriteAsync(tier, instances, scale, gone), cancellationToken);
        RecordScale(before, instances);
        SetWanted(instances);
        _writtenAt = time.GetTimestamp();
        _pause.Set(Again);
        use.Note();
        use.Tell(isUrgent: false, cancellationToken);
        if (sight.Starving > 0)
            ActivationLog.Asked(logger, tier.Name, sight.Starving, instances);
        else
            ActivationLog.Grows(logger, tier.Name, instances);
        _episode.Asked = true;
    }

    private void RecordScale(int? before, int after) => audit?.Record(
        AuditActors.Bridge, AuditActions.TierScale, tier.Name, before is null ? null : new JsonObject { ["instances"] = before }, new JsonObject { ["instances"] = after });

    private void Fail(ActivationException e, TierObservation sight)
    {
        // The same failure is repeated every few seconds.
        if (_error != e.Message)
            audit?.Record(AuditActors.Bridge, AuditActions.TierScale, tier.Name, null, null, e.Message);
        _error = e.Message;
        if (sight.Starving == 0 && sight.Saturated == TimeSpan.Zero)
        {
            _sleepPause.Set();
            ActivationLog.Failed(logger, tier.Name, e.Message, _sleepPause.Left.TotalSeconds);
            return;
        }

        if (e.Failure != ActivationFailure.Refused)
        {
            _pause.Set();
            ActivationLog.Failed(logger, tier.Name, e.Message, Math.Round(_pause.Left.TotalSeconds, 3));
            return;
        }

        ActivationLog.Refused(logger, tier.Name, e.Message);
        _refusal.Set();
        _pause.Set(_refusal.Left);
        queue.RefuseStarving(tier.Cold, _refusal.Left);
        End(_episode.End(ActivationOutcome.Refused));
    }

    private async Task WithinAsync(Func<CancellationToken, Task> ask, CancellationToken cancellationToken) => await WithinAsync(
        async gone =>
        {
            await ask(gone);
            return true;
        },
        cancellationToken);

    private async Task<T> WithinAsync<T>(Func<CancellationToken, Task<T>> ask, CancellationToken cancellationToken)
    {
        using var timeout = new LinkedTimeout(AskTimeout, time, cancellationToken);
        try
        {
            return await ask(timeout.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ActivationException(ActivationFailure.Failed, $"no response within {AskTimeout.TotalSeconds} s");
        }
    }
}
