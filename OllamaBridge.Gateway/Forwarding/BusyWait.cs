using System.Net;
using OllamaBridge.Gateway.Admission;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>
/// When an instance's 503 makes the request wait in this bridge's queue instead of being passed on: the instance is itself a bridge, and its queue had no
/// place. A request that waits here loses nothing, one that is refused does. Pure.
/// </summary>
internal static class BusyWait
{
    /// <summary>Whether the request waits for room and is sent again.</summary>
    /// <param name="attempt">The attempt that was refused.</param>
    /// <param name="response">The response.</param>
    /// <param name="now">The time, in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</param>
    public static bool IsPossible(ForwardAttempt attempt, HttpResponseMessage response, long now) =>
        // Only a bridge says which place in its queue a request would have had.
        response.StatusCode == HttpStatusCode.ServiceUnavailable && response.Headers.NonValidated.Contains(Urgency.PositionHeader)
        && attempt.Call is { Operation.Kind: OperationKind.Inference, Body: not null } call
        && call.WaitsForRoomUntil > now;
}
