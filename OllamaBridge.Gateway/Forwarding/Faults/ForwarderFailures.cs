using System.Net.Sockets;
using OllamaBridge.Gateway.Fleet;
using Yarp.ReverseProxy.Forwarder;

namespace OllamaBridge.Gateway.Forwarding.Faults;

/// <summary>Names what YARP's forwarder reports. Pure.</summary>
internal static class ForwarderFailures
{
    /// <summary>Names a failure before the response reached the client.</summary>
    /// <param name="error">What the forwarder reports.</param>
    /// <param name="exception">The exception behind it; null for none.</param>
    public static InstanceFailure Name(ForwarderError error, Exception? exception) => error switch
    {
        ForwarderError.RequestBodyClient => InstanceFailure.ClientBody,
        ForwarderError.RequestTimedOut or ForwarderError.RequestBodyCanceled => InstanceFailure.TimedOut,
        _ when exception is OperationCanceledException => InstanceFailure.TimedOut,
        ForwarderError.RequestCreation or ForwarderError.ResponseHeaders => InstanceFailure.BridgeError,
        ForwarderError.Request => Name(exception),
        _ => InstanceFailure.Broken,
    };

    private static InstanceFailure Name(Exception? exception) => exception switch
    {
        HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError, InnerException: SocketException own } when IsOwn(own.SocketErrorCode) =>
            InstanceFailure.BridgeError,
        HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError } =>
            InstanceFailure.Refused,
        HttpRequestException { HttpRequestError: HttpRequestError.InvalidResponse or HttpRequestError.ConfigurationLimitExceeded } =>
            InstanceFailure.BridgeError,
        // Without a broken connection behind it, it is the client library that refuses the request or the response.
        HttpRequestException { HttpRequestError: HttpRequestError.Unknown, InnerException: null } => InstanceFailure.BridgeError,
        HttpRequestException or IOException or null => InstanceFailure.Broken,
        _ => InstanceFailure.BridgeError,
    };

    // No port, file handle or buffer is left on the bridge's own machine.
    private static bool IsOwn(SocketError error) =>
        error is SocketError.AddressNotAvailable or SocketError.TooManyOpenSockets or SocketError.NoBufferSpaceAvailable or SocketError.AccessDenied;
}
