using System.Net.Sockets;
using System.Security.Authentication;

namespace OllamaBridge.Gateway.Fleet;

internal static class ProbeError
{
    // Error texts of SslStream and OpenSSL that no exception type distinguishes.
    private static readonly string[] NotTls = ["Cannot determine the frame size", "unexpected packet format", "wrong version number", "packet length too long"];
    private static readonly string[] WantsCertificate = ["certificate required", "CertificateRequired", "bad certificate", "BadCertificate", "handshake failure", "HandshakeFailure"];

    /// <summary>Describes the cause for an operator, not the exceptions that wrap it. <paramref name="isTls"/> is true for an https address.</summary>
    public static string Describe(Exception exception, bool isTls = false) => exception switch
    {
        HttpRequestException { HttpRequestError: HttpRequestError.ResponseEnded } when isTls =>
            "the server closed the connection behind the TLS handshake; it may want a client certificate (Tls:ClientCertificate)",
        HttpRequestException { InnerException: AuthenticationException inner } => DescribeTls(inner),
        HttpRequestException { InnerException: SocketException } => exception.Message,
        _ when Innermost(exception) is var words && Has(words, WantsCertificate) => DescribeTls(exception),
        _ => Innermost(exception),
    };

    private static string DescribeTls(Exception exception)
    {
        var words = Innermost(exception);
        return exception is CertificateException ? $"the TLS connection failed: {words}"
            : Has(words, NotTls) ? "the TLS connection failed: the server does not speak TLS on this port (https is configured, http may be meant)"
            : Has(words, WantsCertificate) ? $"the TLS connection failed: the server wants a client certificate, or refuses the one that it got (Tls:ClientCertificate): {words}"
            : $"the TLS connection failed: {words}";
    }

    private static bool Has(string words, string[] marks) => Array.Exists(marks, m => words.Contains(m, StringComparison.OrdinalIgnoreCase));

    private static string Innermost(Exception exception)
    {
        while (exception.InnerException is { } inner)
            exception = inner;
        return exception.Message;
    }
}
