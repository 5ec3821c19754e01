using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Regions;

/// <summary>Whether a request that nobody here has taken may go to another region. Pure.</summary>
internal sealed class RegionRules(IOptions<RegionOptions> options, TimeProvider time)
{
    /// <summary>Judges.</summary>
    /// <param name="here">What came of asking this region's instances.</param>
    /// <param name="isHere">Whether any of them has the model.</param>
    /// <param name="request">The request.</param>
    public SpillReason Judge(SchedulingOutcome here, bool isHere, in SchedulingRequest request) => here switch
    {
        SchedulingOutcome.NoneUsable => isHere ? SpillReason.Unhealthy : SpillReason.Absent,
        SchedulingOutcome.AllTried => SpillReason.Failed,
        SchedulingOutcome.Busy when request.Waited >= (request.Stays ? Ticks(options.Value.ConversationSpillAfter, time) : Ticks(options.Value.SpillAfter, time)) => SpillReason.Saturated,
        _ => SpillReason.None,
    };

    /// <summary>What came of asking both, where neither has taken it: who waits for one of them waits.</summary>
    public static SchedulingOutcome Join(SchedulingOutcome here, SchedulingOutcome there) =>
        here == SchedulingOutcome.Busy || there == SchedulingOutcome.Busy ? SchedulingOutcome.Busy
        : here == SchedulingOutcome.AllTried || there == SchedulingOutcome.AllTried ? SchedulingOutcome.AllTried
        : SchedulingOutcome.NoneUsable;

    private static long Ticks(TimeSpan span, TimeProvider time) => (long)(span.TotalSeconds * time.TimestampFrequency);
}
