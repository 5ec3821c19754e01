using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Discovery;

/// <summary>Converts the configured list into definitions and reports all errors together.</summary>
internal static class InstanceDefinitions
{
    private const int MaxSlots = 1024;
    // The length of a DNS name: default names are derived from hosts.
    private const int MaxNameLength = 253;

    internal static readonly string NameRule = $"may only have letters, digits, '.', '-', '_' and ':', {MaxNameLength} at most.";

    /// <param name="errors">Receives one line for each error, with the configuration key.</param>
    /// <returns>The valid definitions; complete only if <paramref name="errors"/> stays empty.</returns>
    public static IReadOnlyList<InstanceDefinition> Read(FleetOptions options, ICollection<string> errors)
    {
        var definitions = new List<InstanceDefinition>();
        var names = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        var urls = (options.Urls ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        foreach (var url in urls)
            Add("Bridge:Urls", new InstanceOptions { Url = url });
        for (var i = 0; i < options.Instances.Count; i++)
            Add($"Bridge:Instances:{i}", options.Instances[i]);
        return definitions;

        void Add(string key, InstanceOptions instance)
        {
            var hasUrl = TryReadUrl(instance.Url, out var url);
            if (!hasUrl)
                errors.Add($"{key}{(key == "Bridge:Urls" ? "" : ":Url")}: {InstanceAddress.Mistake(instance.Url, "http://127.0.0.1:11434")}");
            // The default for all instances, Bridge:Slots, is validated under its own key.
            if (instance.Slots is < 1 or > MaxSlots)
                errors.Add($"{key}:Slots: {instance.Slots} is not between 1 and {MaxSlots}.");
            if (instance.MaxLoadedModels < 0)
                errors.Add($"{key}:MaxLoadedModels: {instance.MaxLoadedModels} is below 0.");
            foreach (var (setting, mistake) in OpenAIServices.Mistakes(instance))
                errors.Add($"{key}:{setting}: {mistake}");
            foreach (var (setting, mistake) in InstanceTls.Mistakes(instance.Tls, hasUrl ? url : null))
                errors.Add($"{key}:{setting}: {mistake}");
            foreach (var (setting, mistake) in GroupMistakes(instance, hasUrl ? url : null))
                errors.Add($"{key}:{setting}: {mistake}");

            var isNamed = !string.IsNullOrWhiteSpace(instance.Name);
            if (!hasUrl && !isNamed)
                return;
            var name = isNamed ? instance.Name!.Trim() : DefaultName(url, names);
            if (!IsName(name))
                errors.Add($"{key}:Name: '{name}' {NameRule}");
            else if (!names.Add(name))
                errors.Add($"{key}:Name: '{name}' is used twice.");
            if (!hasUrl)
                return;
            // One server under two entries would get twice its slots.
            var openAI = OpenAIServices.Read(instance);
            if (definitions.Exists(d => InstanceAddress.IsSameServer(d, url, openAI is not null)))
                errors.Add($"{key}{(key == "Bridge:Urls" ? "" : ":Url")}: {url} is there twice.");
            else
                definitions.Add(new InstanceDefinition(name, url, instance.Slots ?? options.Slots, instance.MaxLoadedModels, instance.Discovery)
                {
                    PortName = string.IsNullOrEmpty(instance.PortName) ? InstanceDefinition.DefaultPortName : instance.PortName,
                    OpenAI = openAI,
                    Tls = InstanceTls.Read(instance.Tls),
                    ApiKey = string.IsNullOrEmpty(instance.ApiKey) ? null : new InstanceKey(instance.ApiKey),
                });
        }
    }

    /// <summary>Null if there is an error. <paramref name="slots"/> is the default number of slots.</summary>
    public static InstanceDefinition? ReadOne(InstanceOptions instance, int slots, ICollection<string> errors)
    {
        const string Key = "Bridge:Instances:0:";
        var mistakes = new List<string>();
        var read = Read(new FleetOptions { Slots = slots, Instances = [instance] }, mistakes);
        foreach (var mistake in mistakes)
            errors.Add($"{char.ToLowerInvariant(mistake[Key.Length])}{mistake[(Key.Length + 1)..]}");
        return mistakes.Count == 0 ? Plain(read[0]) : null;
    }

    /// <summary>Schemes other than http and https, such as service discovery's <c>https+http</c>, become http, which servers support.</summary>
    public static InstanceDefinition Plain(InstanceDefinition definition) => definition.Url.Scheme is "http" or "https"
        ? definition
        : definition with { Url = new UriBuilder(definition.Url) { Scheme = definition.Tls is null ? "http" : "https" }.Uri };

    /// <summary>An instance's default name: its host and port, made unique.</summary>
    public static string DefaultName(Uri url, IReadOnlySet<string> taken)
    {
        var host = url.Host.Trim('[', ']');
        var name = url.IsDefaultPort ? host : $"{host}:{url.Port}";
        var candidate = name;
        for (var i = 2; taken.Contains(candidate); i++)
            candidate = $"{name}-{i}";
        return candidate;
    }

    private static IEnumerable<(string Setting, string Mistake)> GroupMistakes(InstanceOptions instance, Uri? url)
    {
        var byService = instance.Discovery is InstanceDiscovery.Srv or InstanceDiscovery.Kubernetes;
        if (byService && url is { HostNameType: UriHostNameType.IPv4 or UriHostNameType.IPv6 })
            yield return ("Url", $"'{instance.Url}' has an address, but Discovery {instance.Discovery} requires a Service name.");
        else if (instance.Discovery == InstanceDiscovery.Kubernetes && url is not null && ServiceName.Read(url.Host) is null)
            yield return ("Url", $"'{instance.Url}' is not a Service name such as ollama, ollama.ai or ollama.ai.svc.cluster.local.");
        if (string.IsNullOrEmpty(instance.PortName))
            yield break;
        if (!byService)
            yield return ("PortName", "is for Discovery Srv or Kubernetes; otherwise Url has the port.");
        else if (!ServiceName.IsLabel(instance.PortName))
            yield return ("PortName", $"'{instance.PortName}' is not a port name such as http.");
    }

    /// <summary>A bare host and port means http.</summary>
    internal static bool TryReadUrl(string? text, out Uri url)
    {
        url = null!;
        if (string.IsNullOrWhiteSpace(text))
            return false;
        // As in OLLAMA_HOST: a bare host and port means http.
        var absolute = text.Contains("://", StringComparison.Ordinal) ? text.Trim() : $"http://{text.Trim()}";
        if (!Uri.TryCreate(absolute, UriKind.Absolute, out var parsed) || parsed.Host.Length == 0
            || parsed.Query.Length > 0 || parsed.Fragment.Length > 0 || parsed.UserInfo.Length > 0)
            return false;
        if (parsed.Scheme is not ("http" or "https" or "https+http" or "http+https"))
            return false;
        url = InstanceAddress.Connectable(parsed);
        return true;
    }

    public static bool IsName(string name) =>
        name.Length is > 0 and <= MaxNameLength && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or ':');
}

internal sealed class InstanceListValidator : IValidateOptions<FleetOptions>
{
    public ValidateOptionsResult Validate(string? name, FleetOptions options)
    {
        var errors = new List<string>();
        InstanceDefinitions.Read(options, errors);
        return errors.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }
}
