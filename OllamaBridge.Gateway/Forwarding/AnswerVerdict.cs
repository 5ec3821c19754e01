using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>What an instance's error answer says of the instance. Pure.</summary>
internal static class AnswerVerdict
{
    /// <summary>Wordings of a client's faults that real servers answer with 500 (recordings 04-err-options-bad-type, 04-err-format-bad).</summary>
    private static readonly byte[][] ClientFaults =
    [
        "must be of type"u8.ToArray(),
        "invalid format:"u8.ToArray(),
        "invalid duration"u8.ToArray(),
    ];

    /// <summary>Judges an error answer.</summary>
    /// <param name="operation">What was asked.</param>
    /// <param name="status">The answer's status, 400 or above.</param>
    /// <param name="body">The answer's body, or its beginning.</param>
    /// <param name="byBridgesKey">Whether the bridge's own key was sent: its refusal is not the client's fault.</param>
    /// <returns>How the instance failed; null where it rightly refused the request.</returns>
    public static InstanceFailure? Judge(Operation operation, int status, ReadOnlySpan<byte> body, bool byBridgesKey = false)
    {
        switch (status)
        {
            case StatusCodes.Status401Unauthorized or StatusCodes.Status403Forbidden when byBridgesKey:
                return InstanceFailure.ServerError;
            case StatusCodes.Status404NotFound:
                // The second as vLLM words it.
                return operation.NeedsModel && (body.IndexOf("not found"u8) >= 0 || body.IndexOf("` does not exist"u8) >= 0)
                    ? InstanceFailure.StaleCatalog
                    : null;
            case StatusCodes.Status500InternalServerError:
                foreach (var fault in ClientFaults)
                    if (body.IndexOf(fault) >= 0)
                        return null;
                return InstanceFailure.ServerError;
            // 429: an instance's own limit, or that of a guard before it; another may have room. 508: another region's bridge says so.
            case StatusCodes.Status502BadGateway or StatusCodes.Status503ServiceUnavailable or StatusCodes.Status504GatewayTimeout
                or StatusCodes.Status429TooManyRequests or StatusCodes.Status508LoopDetected:
                return InstanceFailure.ServerError;
            default:
                return null;
        }
    }

    /// <summary>Whether an instance refuses the bridge's own key, of which its clients know nothing.</summary>
    public static bool IsBridgesFault(int status, InstanceFailure? failure) =>
        failure is not null && status is (StatusCodes.Status401Unauthorized or StatusCodes.Status403Forbidden);

    /// <summary>Whether the answer means "full", which is no fault of the instance.</summary>
    public static bool IsBusy(int status) => status is StatusCodes.Status503ServiceUnavailable or StatusCodes.Status429TooManyRequests;
}
