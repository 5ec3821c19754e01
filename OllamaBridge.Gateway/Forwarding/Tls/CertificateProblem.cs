using System.Globalization;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Forwarding.Tls;

internal static class CertificateProblem
{
    private const int MaxNames = 5;

    /// <exception cref="CertificateException">The certificate is refused.</exception>
    public static bool Check(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors) => errors == SslPolicyErrors.None
        ? true
        : throw new CertificateException(Describe(certificate as X509Certificate2, chain, errors, (sender as SslStream)?.TargetHostName ?? "", chain?.ChainPolicy.VerificationTime ?? default));

    /// <summary>Describes all errors. Pure.</summary>
    /// <param name="certificate">Null if the server sent none.</param>
    /// <param name="host">The name that the certificate must have.</param>
    public static string Describe(X509Certificate2? certificate, X509Chain? chain, SslPolicyErrors errors, string host, DateTime now)
    {
        if (certificate is null || errors.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable))
            return "the server sent no certificate";
        var problems = new List<string>();
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors) && chain is not null)
            problems.AddRange(ChainProblems(certificate, chain, now));
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
            problems.Add($"name mismatch: certificate is for {Names(certificate)}, not for {host}");
        return problems.Count > 0 ? string.Join("; ", problems.Distinct()) : errors.ToString();
    }

    private static IEnumerable<string> ChainProblems(X509Certificate2 certificate, X509Chain chain, DateTime now)
    {
        foreach (var element in chain.ChainElements)
            foreach (var status in element.ChainElementStatus)
                if (status.Status == X509ChainStatusFlags.NotTimeValid)
                    yield return TimeProblem(element.Certificate, certificate, now);
        foreach (var status in chain.ChainStatus)
        {
            switch (status.Status)
            {
                case X509ChainStatusFlags.NotTimeValid:
                    break;
                case X509ChainStatusFlags.UntrustedRoot when IsSelfSigned(certificate):
                    yield return $"self-signed certificate ({Name(certificate)}) that is not trusted; set CaFile to its file to trust it";
                    break;
                case X509ChainStatusFlags.UntrustedRoot:
                    yield return $"unknown CA {Name(chain.ChainElements[^1].Certificate)}; set CaFile to its file to trust it";
                    break;
                case X509ChainStatusFlags.PartialChain:
                    yield return IsSelfSigned(certificate)
                        ? $"self-signed certificate ({Name(certificate)}) that is not trusted; set CaFile to its file to trust it"
                        : $"unknown CA {chain.ChainElements[^1].Certificate.Issuer}; set CaFile to its file to trust it";
                    break;
                default:
                    yield return $"{status.Status}: {status.StatusInformation.Trim()}";
                    break;
            }
        }
    }

    private static string TimeProblem(X509Certificate2 invalid, X509Certificate2 leaf, DateTime now)
    {
        var which = invalid.RawDataMemory.Span.SequenceEqual(leaf.RawDataMemory.Span) ? "certificate" : $"certificate of its CA {Name(invalid)}";
        return invalid.NotAfter < now ? $"{which} expired on {Date(invalid.NotAfter)}" : $"{which} is not valid before {Date(invalid.NotBefore)}";
    }

    private static string Date(DateTime local) => local.ToUniversalTime().ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private static bool IsSelfSigned(X509Certificate2 certificate) => certificate.SubjectName.RawData.AsSpan().SequenceEqual(certificate.IssuerName.RawData);

    private static string Name(X509Certificate2 certificate) => certificate.Subject.Length > 0 ? certificate.Subject : "without a name";

    private static string Names(X509Certificate2 certificate)
    {
        var names = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>()
            .SelectMany(e => e.EnumerateDnsNames().Concat(e.EnumerateIPAddresses().Select(a => a.ToString()))).Take(MaxNames).ToList();
        return names.Count > 0 ? string.Join(", ", names) : Name(certificate);
    }
}
