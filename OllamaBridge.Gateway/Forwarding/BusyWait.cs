using System.Net;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Queueing;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>
/// Decides whether a request waits in this bridge's queue after an instance's 503: if the instance is itself a bridge with a full queue. Waiting here
/// keeps the request; passing the 503 on would fail it. Pure.
/// </summary>
internal static class BusyWait
{
    /// <summary>Whether the request waits for room and is sent again. <paramref name="now"/> is in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</summary>
    public static bool IsPossible(ForwardAttempt attempt, HttpResponseMessage response, long now) =>
        // Only a bridge sends the queue position.
        response.StatusCode == HttpStatusCode.ServiceUnavailable && response.Headers.NonValidated.Contains(RequestPriority.PositionHeader)
        && attempt.Call is { Operation.Kind: OperationKind.Inference, Body: not null } call
        && call.Wait.RoomUntil > now;
}
