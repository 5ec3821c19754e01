using System.Security.Authentication;

namespace OllamaBridge.Gateway.Fleet;

internal sealed class CertificateException(string message) : AuthenticationException(message);
