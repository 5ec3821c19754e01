using System.Net;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Queueing;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Whether a request waits in this queue after an instance's 503: if the instance is itself a bridge with a full queue. Pure.</summary>
internal static class BusyWait
{
    /// <param name="now">In <see cref="TimeProvider.GetTimestamp"/>'s ticks.</param>
    public static bool IsPossible(ForwardAttempt attempt, HttpResponseMessage response, long now) =>
        // Only a bridge sends the queue position.
        response.StatusCode == HttpStatusCode.ServiceUnavailable && response.Headers.NonValidated.Contains(RequestPriority.PositionHeader)
        && attempt.Call is { Operation.Kind: OperationKind.Inference, Body: not null } call
        && call.Wait.RoomUntil > now;
}
