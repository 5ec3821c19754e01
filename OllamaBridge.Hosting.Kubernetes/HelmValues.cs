using System.Text.RegularExpressions;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;

namespace OllamaBridge.Hosting;

/// <summary>The chart's <c>values.yaml</c>, and the templates' references to it.</summary>
internal static partial class HelmValues
{
    private const string File = "values.yaml";

    /// <summary>The prefix of a resource's secrets in templates.</summary>
    public static string SecretsOf(string resource) => $".Values.secrets.{resource.Replace('-', '_')}.";

    /// <summary>Makes Helm refuse the installation while a secret is empty: an empty Redis password disables authentication.</summary>
    public static string Required(string template) =>
        // Back-quotes, because the template is inside double quotes in YAML.
        Secret().Replace(template, match => $"{{{{ required `Set {match.Groups[1].Value}.` .Values.{match.Groups[1].Value} }}}}");

    /// <summary>Corrects the publisher's values: sets the bridge's image and removes values that no template reads.</summary>
    /// <param name="folder">The chart.</param>
    /// <param name="bridge">The bridge.</param>
    /// <param name="cancellationToken">Cancels the work.</param>
    public static async Task CompleteAsync(string folder, IOllamaBridgeResource bridge, CancellationToken cancellationToken)
    {
        var path = Path.Combine(folder, File);
        if (!System.IO.File.Exists(path))
            throw new DistributedApplicationException($"The Kubernetes publisher wrote no chart: {path} does not exist.");
        await System.IO.File.WriteAllTextAsync(path, Complete(await System.IO.File.ReadAllTextAsync(path, cancellationToken), bridge.Name), cancellationToken);
    }

    /// <summary>The corrected text.</summary>
    /// <exception cref="DistributedApplicationException">The text is not in the format of this version of the publisher.</exception>
    public static string Complete(string values, string bridge)
    {
        var key = bridge.Replace('-', '_');
        var image = $"{key}_image: \"{bridge}:latest\"";
        if (values.Contains(image, StringComparison.Ordinal))
            values = values.Replace(image, $"{key}_image: \"{Programs.GatewayImage}:{Programs.Version}\"", StringComparison.Ordinal);
        else if (!values.Contains(Programs.GatewayImage, StringComparison.Ordinal))
            throw new DistributedApplicationException($"{File} does not name the image of '{bridge}' as expected.");
        // The connection string is composed in the bridge's Secret; an empty value here would suggest that an operator has to fill it in.
        return Regex.Replace(
            values, $"(?<=^secrets:\n(?:  .*\n)*?  {Regex.Escape(key)}:\n(?:    .*\n)*?)    ConnectionStrings__.*\n", "", RegexOptions.Multiline);
    }

    [GeneratedRegex(@"\{\{ \.Values\.(secrets\.[A-Za-z0-9_.]+) \}\}")]
    private static partial Regex Secret();
}
