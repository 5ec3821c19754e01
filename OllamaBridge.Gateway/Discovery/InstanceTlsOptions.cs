using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace OllamaBridge.Gateway.Discovery;

/// <summary>TLS to one instance: section <c>Bridge:Instances:N:Tls</c>, <c>Bridge:Regions:Peers:N:Tls</c>. Files are PEM and read again when they change.</summary>
internal sealed record InstanceTlsOptions
{
    /// <summary>The file of the CA certificates, or of the server's own certificate, that are trusted instead of the system's.</summary>
    public string? CaFile { get; init; }

    /// <summary>The file of the client certificate that the server wants, with its intermediates behind it.</summary>
    public string? ClientCertificate { get; init; }

    /// <summary>The file of its private key; without it the key is in <see cref="ClientCertificate"/>.</summary>
    public string? ClientKey { get; init; }

    /// <summary>The name that the server's certificate must have, instead of the address's host. It is also sent as SNI.</summary>
    public string? ServerName { get; init; }
}

/// <summary>TLS to an instance as configured. Immutable, compared by value.</summary>
internal sealed record InstanceTls(string? CaFile, string? ClientCertificate, string? ClientKey, string? ServerName)
{
    /// <summary>The option by which a request passes its TLS settings to the HTTP client.</summary>
    public static readonly HttpRequestOptionsKey<InstanceTls> Option = new("OllamaBridge.Tls");

    /// <summary>Reads the settings.</summary>
    /// <returns>Null if nothing is set.</returns>
    public static InstanceTls? Read(InstanceTlsOptions options)
    {
        var tls = new InstanceTls(Text(options.CaFile), Text(options.ClientCertificate), Text(options.ClientKey), Text(options.ServerName));
        return tls is { CaFile: null, ClientCertificate: null, ClientKey: null, ServerName: null } ? null : tls;

        static string? Text(string? value) => string.IsNullOrWhiteSpace(value) ? null : value.Trim();
    }

    /// <summary>The errors in the settings, by setting. The texts do not repeat a file's content.</summary>
    /// <param name="options">The settings.</param>
    /// <param name="url">The instance's address; null if it is invalid.</param>
    public static IEnumerable<(string Setting, string Mistake)> Mistakes(InstanceTlsOptions options, Uri? url)
    {
        if (Read(options) is not { } tls)
            yield break;
        if (url is not null && !url.Scheme.Contains("https", StringComparison.Ordinal))
            yield return ("Tls", "is for an address with https.");
        if (tls.ServerName is { } name && Uri.CheckHostName(name) == UriHostNameType.Unknown)
            yield return ("Tls:ServerName", "is not a host name such as gpu-1.example.");
        if (tls.CaFile is { } file && FileMistake(() => LoadAuthorities(file)) is { } mistake)
            yield return ("Tls:CaFile", mistake);
        if (tls is { ClientCertificate: null, ClientKey: not null })
            yield return ("Tls:ClientKey", "needs ClientCertificate beside it.");
        if (tls.ClientCertificate is not null && FileMistake(() => tls.LoadClient()) is { } clientMistake)
            yield return ("Tls:ClientCertificate", clientMistake);
    }

    /// <summary>Loads the certificates of a file.</summary>
    /// <exception cref="CryptographicException">The file has no certificate.</exception>
    public static X509Certificate2Collection LoadAuthorities(string file)
    {
        var authorities = new X509Certificate2Collection();
        authorities.ImportFromPemFile(file);
        return authorities.Count > 0 ? authorities : throw new CryptographicException("the file has no certificate in PEM form");
    }

    /// <summary>Loads the client certificate with its key, and its intermediates.</summary>
    public (X509Certificate2 Certificate, X509Certificate2Collection Others) LoadClient()
    {
        var certificate = X509Certificate2.CreateFromPemFile(ClientCertificate!, ClientKey ?? ClientCertificate);
        var others = new X509Certificate2Collection();
        others.ImportFromPemFile(ClientCertificate!);
        if (others.Count > 0)
            others.RemoveAt(0);
        return (certificate, others);
    }

    private static string? FileMistake(Action load)
    {
        try
        {
            load();
            return null;
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            return $"cannot be used: {e.Message.TrimEnd('.')}.";
        }
    }
}
