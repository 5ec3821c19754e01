using System.Net.Sockets;
using OllamaBridge.Gateway.Fleet;
using Yarp.ReverseProxy.Forwarder;

namespace OllamaBridge.Gateway.Forwarding.Faults;

/// <summary>Maps errors of YARP's forwarder to kinds of failure. Pure.</summary>
internal static class ForwarderFailures
{
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
        // Without a broken connection as the cause, the client library refuses the request or the response.
        HttpRequestException { HttpRequestError: HttpRequestError.Unknown, InnerException: null } => InstanceFailure.BridgeError,
        HttpRequestException or IOException or null => InstanceFailure.Broken,
        _ => InstanceFailure.BridgeError,
    };

    // The bridge's own machine has no port, file handle or buffer left.
    private static bool IsOwn(SocketError error) =>
        error is SocketError.AddressNotAvailable or SocketError.TooManyOpenSockets or SocketError.NoBufferSpaceAvailable or SocketError.AccessDenied;
}
