using System.Reflection;
using System.Text.RegularExpressions;

namespace OllamaBridge.Hosting;

/// <summary>The chart's <c>values.yaml</c>, and how templates speak of it.</summary>
internal static partial class HelmValues
{
    private const string File = "values.yaml";

    // As OllamaBridge.Gateway.csproj and the Dockerfile name it.
    private const string Image = "ollamabridge/gateway";

    /// <summary>The chart's version, and the bridge's.</summary>
    public static string ChartVersion { get; } = typeof(HelmValues).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    /// <summary>Where templates find a resource's secrets.</summary>
    public static string SecretsOf(string resource) => $".Values.secrets.{resource.Replace('-', '_')}.";

    /// <summary>Lets Helm refuse to install while a secret's value is empty: Redis with an empty password is one without.</summary>
    public static string Required(string template) =>
        // Back-quotes, because the whole stands in double ones in YAML.
        Secret().Replace(template, match => $"{{{{ required `Set {match.Groups[1].Value}.` .Values.{match.Groups[1].Value} }}}}");

    /// <summary>Corrects what the publisher wrote: the bridge's image under its own name, and no value that no template reads.</summary>
    /// <param name="folder">The chart.</param>
    /// <param name="bridge">The bridge's name.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    public static async Task CompleteAsync(string folder, string bridge, CancellationToken cancellationToken)
    {
        var path = Path.Combine(folder, File);
        await System.IO.File.WriteAllTextAsync(path, Complete(await System.IO.File.ReadAllTextAsync(path, cancellationToken), bridge), cancellationToken);
    }

    /// <summary>The corrected text.</summary>
    /// <exception cref="DistributedApplicationException">It is not as this version of the publisher writes it.</exception>
    public static string Complete(string values, string bridge)
    {
        var key = bridge.Replace('-', '_');
        var image = $"{key}_image: \"{bridge}:latest\"";
        if (!values.Contains(image, StringComparison.Ordinal))
            throw new DistributedApplicationException($"{File} does not name the image of '{bridge}' as expected.");
        values = values.Replace(image, $"{key}_image: \"{Image}:{ChartVersion}\"", StringComparison.Ordinal);
        // Its connection string is put together in its Secret; whoever found an empty one here would fill it in vain.
        return Regex.Replace(values, $"(?<=^secrets:\n(?:  .*\n)*?)  {Regex.Escape(key)}:\n(?:    .*\n)+", "", RegexOptions.Multiline);
    }

    [GeneratedRegex(@"\{\{ \.Values\.(secrets\.[A-Za-z0-9_.]+) \}\}")]
    private static partial Regex Secret();
}
