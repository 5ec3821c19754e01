using System.Globalization;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Discovery.Kubernetes;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using k8s;

namespace OllamaBridge.Gateway.Activation;

internal sealed class TiersOptionsValidator(IOptions<KubernetesOptions> kubernetes) : IValidateOptions<TiersOptions>
{
    private const int MaxInstances = 1000;
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestIdle = TimeSpan.FromDays(7);
    private static readonly TimeSpan LongestStart = TimeSpan.FromDays(1);

    public ValidateOptionsResult Validate(string? name, TiersOptions options)
    {
        var errors = new List<string>();
        var models = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (tier, settings) in options.OrderBy(t => t.Key, StringComparer.OrdinalIgnoreCase))
        {
            errors.AddRange(Mistakes(tier, settings).Concat(ActivatorMistakes(settings)).Select(m => $"{TiersOptions.Section}:{tier}:{m.Setting}: {m.Mistake}"));
            for (var i = 0; i < settings.Models.Count; i++)
            {
                var key = string.Create(CultureInfo.InvariantCulture, $"{TiersOptions.Section}:{tier}:Models:{i}");
                if (!ModelName.TryGetKey(settings.Models[i], out var model))
                    errors.Add($"{key}: '{settings.Models[i]}' is not a model name.");
                else if (!models.TryAdd(model, tier))
                    errors.Add($"{key}: '{settings.Models[i]}' is listed twice{(models[model] == tier ? "" : $", also in the tier '{models[model]}'")}.");
            }
        }

        errors.AddRange(Overlaps(options));
        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }

    private static IEnumerable<(string Setting, string Mistake)> Mistakes(string tier, TierOptions options)
    {
        if (!tier.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'))
            yield return ("Name", "may contain only letters, digits, '-', '_' and '.'.");
        if (options.Models.Count == 0)
            yield return ("Models", "is empty: no request could activate the tier.");
        if (options.PrefixOf(tier).Length == 0)
            yield return ("Instances", "matches every instance; add a prefix before '*'.");
        if (options.MaxInstances is < 1 or > MaxInstances)
            yield return ("MaxInstances", string.Create(CultureInfo.InvariantCulture, $"{options.MaxInstances} is not between 1 and {MaxInstances}."));
        if (options.IdleTime < Shortest || options.IdleTime > LongestIdle)
            yield return ("IdleTime", $"{options.IdleTime} is not between {Shortest} and {LongestIdle}.");
        if (options.StartTimeout < Shortest || options.StartTimeout > LongestStart)
            yield return ("StartTimeout", $"{options.StartTimeout} is not between {Shortest} and {LongestStart}.");
    }

    private IEnumerable<(string Setting, string Mistake)> ActivatorMistakes(TierOptions options)
    {
        if (Is(options.Activator, HttpActivator.ActivatorName))
        {
            if (!Uri.TryCreate(options.Url, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https") || url.UserInfo.Length > 0)
                yield return ("Url", InstanceAddress.Mistake(options.Url, "http://127.0.0.1:9000/scale"));
        }
        else if (!Is(options.Activator, KubernetesActivator.ActivatorName))
        {
            yield return ("Activator", $"'{options.Activator}' is unknown; use {KubernetesActivator.ActivatorName} or {HttpActivator.ActivatorName}.");
        }
        else if (string.IsNullOrEmpty(kubernetes.Value.KubeConfig) && !KubernetesClientConfiguration.IsInCluster())
        {
            yield return ("Activator", $"the bridge does not run in a pod with a service account, and {KubernetesOptions.Section}:KubeConfig is not set.");
        }
    }

    /// <summary>Reports overlapping prefixes: an instance may belong to only one tier.</summary>
    private static IEnumerable<string> Overlaps(TiersOptions options) =>
        from one in options
        from other in options
        where string.CompareOrdinal(one.Key, other.Key) != 0
            && other.Value.PrefixOf(other.Key) is { Length: > 0 } beginning
            && one.Value.PrefixOf(one.Key).StartsWith(beginning, StringComparison.OrdinalIgnoreCase)
        select $"{TiersOptions.Section}:{one.Key}:Instances: overlaps with the instances of the tier '{other.Key}'.";

    private static bool Is(string? text, string name) => string.Equals(text, name, StringComparison.OrdinalIgnoreCase);
}
