using System.Net.Sockets;
using System.Security.Authentication;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>Error texts for failed probes.</summary>
internal static class ProbeError
{
    /// <summary>Describes an error for an operator: its cause, not the exceptions that wrap it.</summary>
    public static string Describe(Exception exception) => exception switch
    {
        HttpRequestException { InnerException: AuthenticationException inner } => $"the TLS connection failed: {Innermost(inner)} (an untrusted certificate, or http where https is configured)",
        HttpRequestException { InnerException: SocketException } => exception.Message,
        _ => Innermost(exception),
    };

    private static string Innermost(Exception exception)
    {
        while (exception.InnerException is { } inner)
            exception = inner;
        return exception.Message;
    }
}
