using System.Security.Authentication;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>The exception for a refused certificate of an instance. Its message is for operators.</summary>
internal sealed class CertificateException(string message) : AuthenticationException(message);
