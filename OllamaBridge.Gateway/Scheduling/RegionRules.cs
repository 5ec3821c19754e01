using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet.Regions;

namespace OllamaBridge.Gateway.Scheduling;

/// <summary>Decides whether a request that no local instance accepted may spill over to another region. Pure.</summary>
internal sealed class RegionRules(IOptions<RegionOptions> options, TimeProvider time)
{
    /// <summary>Judges the outcome <paramref name="here"/>; <paramref name="isHere"/> is whether a local instance has the model.</summary>
    public SpillReason Judge(SchedulingOutcome here, bool isHere, in SchedulingRequest request) => here switch
    {
        SchedulingOutcome.NoneUsable => isHere ? SpillReason.Unhealthy : SpillReason.Absent,
        SchedulingOutcome.AllTried => SpillReason.Failed,
        SchedulingOutcome.Busy when request.Waited >= (request.Stays ? Ticks(options.Value.ConversationSpillAfter, time) : Ticks(options.Value.SpillAfter, time)) => SpillReason.Saturated,
        _ => SpillReason.None,
    };

    /// <summary>Combines two outcomes without a placement. The request waits if either side is busy.</summary>
    public static SchedulingOutcome Join(SchedulingOutcome here, SchedulingOutcome there) =>
        here == SchedulingOutcome.Busy || there == SchedulingOutcome.Busy ? SchedulingOutcome.Busy
        : here == SchedulingOutcome.AllTried || there == SchedulingOutcome.AllTried ? SchedulingOutcome.AllTried
        : SchedulingOutcome.NoneUsable;

    private static long Ticks(TimeSpan span, TimeProvider time) => (long)(span.TotalSeconds * time.TimestampFrequency);
}
