using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace OllamaBridge.Gateway.FunctionalTests.Fixtures;

/// <summary>Creates certificates for tests.</summary>
internal static class TestCertificates
{
    private static readonly DateTimeOffset Now = DateTimeOffset.UtcNow;

    public static X509Certificate2 Authority(string name) => Create($"CN={name}", isAuthority: true, [], issuer: null, new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero), new(2999, 1, 1, 0, 0, 0, TimeSpan.Zero));

    public static X509Certificate2 SelfSigned(string name) => Create($"CN={name}", isAuthority: false, [name], issuer: null, Now.AddDays(-1), Now.AddDays(1));

    /// <summary>Creates a certificate for names and addresses, issued by an authority.</summary>
    public static X509Certificate2 Issue(X509Certificate2 issuer, string[] names, DateTimeOffset? from = null, DateTimeOffset? to = null) =>
        Create($"CN={names[0]}", isAuthority: false, names, issuer, from ?? Now.AddDays(-1), to ?? Now.AddDays(1));

    public static void Write(string file, params X509Certificate2[] certificates) => File.WriteAllText(file, string.Join('\n', certificates.Select(c => c.ExportCertificatePem())));

    public static void WriteKey(string file, X509Certificate2 certificate) => File.WriteAllText(file, certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());

    private static X509Certificate2 Create(string subject, bool isAuthority, string[] names, X509Certificate2? issuer, DateTimeOffset from, DateTimeOffset to)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(isAuthority ? X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign : X509KeyUsageFlags.DigitalSignature, true));
        if (names.Length > 0)
        {
            var alternatives = new SubjectAlternativeNameBuilder();
            foreach (var name in names)
                if (IPAddress.TryParse(name, out var address))
                    alternatives.AddIpAddress(address);
                else
                    alternatives.AddDnsName(name);
            request.CertificateExtensions.Add(alternatives.Build());
        }

        if (issuer is null)
            return request.CreateSelfSigned(from, to);
        using var certificate = request.Create(issuer, from, to, RandomNumberGenerator.GetBytes(8));
        return certificate.CopyWithPrivateKey(key);
    }
}
