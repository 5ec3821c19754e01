using System.Text.RegularExpressions;
using OllamaBridge.Gateway.Settings;
using OllamaBridge.Hosting;

namespace OllamaBridge.AppHost;

/// <summary>Reads <see cref="FleetSettings"/> and reports all errors together, each with its key.</summary>
internal static partial class FleetSettingsReader
{
    private const int MaxInstances = 256;
    private const int MaxParallel = 1024;
    private const int MaxBridges = 64;

    /// <summary>Reads section <c>Fleet</c> of the application's configuration.</summary>
    /// <param name="builder">The application.</param>
    /// <exception cref="DistributedApplicationException">At least one setting is invalid; the message lists all of them.</exception>
    public static FleetSettings GetFleetSettings(this IDistributedApplicationBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var misplaced = builder.Configuration.GetChildren()
            .Where(c => !string.Equals(c.Key, FleetSettings.Section, StringComparison.OrdinalIgnoreCase) && c.GetChildren().Any()
                && NearestName.Distance(c.Key, FleetSettings.Section) <= 1)
            .Select(c => $"{c.Key}: there is no such section. The nearest one is {FleetSettings.Section}.");
        return Read(builder.Configuration.GetSection(FleetSettings.Section), misplaced);
    }

    internal static FleetSettings Read(IConfigurationSection section, IEnumerable<string>? misplaced = null)
    {
        // An unknown key is almost always a typing error.
        var read = SettingsReader.Read(section, SettingTree.Build(typeof(FleetSettings)));
        var settings = new ConfigurationBuilder().AddInMemoryCollection(read.Values).Build().GetSection(section.Path).Get<FleetSettings>()
            ?? new FleetSettings();
        List<string> errors = [.. misplaced ?? [], .. read.Mistakes];
        Check(settings, errors);
        return errors.Count == 0
            ? settings
            : throw new DistributedApplicationException($"Invalid settings:\n- {string.Join("\n- ", errors)}");
    }

    private static void Check(FleetSettings settings, List<string> errors)
    {
        CheckInstances("Fleet:Instances", settings.Instances, errors);
        CheckModels("Fleet:Models", settings.Models, errors);
        if (Names.Split(settings.Models).Count == 0)
            errors.Add("Fleet:Models: name at least one model.");
        CheckServer("Fleet:Server", settings.Server, errors);
        CheckLimits("Fleet:Limits", settings.Limits, errors);
        CheckGpus("Fleet:Gpus", settings.Gpus, errors);
        if (settings.Bridges is < 1 or > MaxBridges)
            errors.Add($"Fleet:Bridges: {settings.Bridges} is not between 1 and {MaxBridges}.");
        CheckKubernetes("Fleet:Kubernetes", settings.Kubernetes, errors);
        CheckPort("Fleet:Port", settings.Port, errors);
        CheckPort("Fleet:AdminPort", settings.AdminPort, errors);
        if (settings.AdminPort == settings.Port)
            errors.Add($"Fleet:AdminPort: {settings.AdminPort} is the clients' port (Fleet:Port). Choose another one.");
        var urls = settings.UrlList;
        if (settings.Backend == FleetBackend.External && urls.Length == 0)
            errors.Add("Fleet:Urls: the backend External needs at least one address.");
        if (settings.Backend is not (FleetBackend.External or FleetBackend.Auto) && urls.Length > 0)
            errors.Add($"Fleet:Urls: applies to the backend External, not to {settings.Backend}.");
        foreach (var url in urls.Where(u => !IsUrl(u)))
            errors.Add(
                $"Fleet:Urls: {(url.Contains('@', StringComparison.Ordinal) ? "an entry with a user name or password in it" : $"'{url}'")} is not an address such as http://10.0.0.5:11434.");
        foreach (var (name, tier) in settings.Tiers)
        {
            var key = $"Fleet:Tiers:{name}";
            if (!TierName().IsMatch(name))
                errors.Add($"{key}: a tier's name has up to 20 lower-case letters, digits and single hyphens, a letter first.");
            CheckInstances($"{key}:Instances", tier.Instances, errors);
            CheckModels($"{key}:Models", tier.Models, errors);
            CheckServer($"{key}:Server", tier.Server, errors);
            CheckLimits($"{key}:Limits", tier.Limits ?? new(), errors);
            CheckGpus($"{key}:Gpus", tier.Gpus ?? new(), errors);
        }
    }

    private static void CheckInstances(string key, int count, List<string> errors)
    {
        if (count is < 1 or > MaxInstances)
            errors.Add($"{key}: {count} is not between 1 and {MaxInstances}.");
    }

    private static void CheckModels(string key, string? models, List<string> errors)
    {
        foreach (var model in Names.Split(models).Where(m => !ModelName().IsMatch(m)))
            errors.Add($"{key}: '{model}' is not a model's name such as deepseek-r1:7b.");
    }

    private static void CheckPort(string key, int port, List<string> errors)
    {
        if (port is < 1 or > 65535)
            errors.Add($"{key}: {port} is not a port (1 to 65535).");
    }

    private static void CheckServer(string key, BridgeServerOptions server, List<string> errors)
    {
        if (server.Parallel is < 1 or > MaxParallel)
            errors.Add($"{key}:Parallel: {server.Parallel} is not between 1 and {MaxParallel}.");
        if (server.MaxLoadedModels < 0)
            errors.Add($"{key}:MaxLoadedModels: {server.MaxLoadedModels} is below 0.");
        if (server.ContextLength < 0)
            errors.Add($"{key}:ContextLength: {server.ContextLength} is below 0.");
        if (server.KeepAlive is { Length: > 0 } keepAlive && !Duration().IsMatch(keepAlive))
            errors.Add($"{key}:KeepAlive: '{keepAlive}' is not a duration such as 10m, 1h30m or -1.");
        if (server.LoadTimeout is { Length: > 0 } timeout && !Duration().IsMatch(timeout))
            errors.Add($"{key}:LoadTimeout: '{timeout}' is not a duration such as 10m.");
    }

    private static void CheckLimits(string key, BridgeLimitOptions limits, List<string> errors)
    {
        if (limits.Cpus is <= 0)
            errors.Add($"{key}:Cpus: {limits.Cpus} is not above 0.");
        if (limits.Memory is { Length: > 0 } memory && !Memory().IsMatch(memory))
            errors.Add($"{key}:Memory: '{memory}' is not an amount such as 16g or 512m.");
    }

    private static void CheckGpus(string key, FleetGpuSettings gpus, List<string> errors)
    {
        foreach (var device in gpus.DeviceList.Where(d => !Device().IsMatch(d)))
            errors.Add($"{key}:Devices: '{device}' is neither a GPU's number nor its UUID.");
    }

    private static void CheckKubernetes(string key, BridgeKubernetesOptions kubernetes, List<string> errors)
    {
        if (kubernetes.Bridges is < 1 or > MaxBridges)
            errors.Add($"{key}:Bridges: {kubernetes.Bridges} is not between 1 and {MaxBridges}.");
        foreach (var (name, amount) in new[] { ("ModelStorage", kubernetes.ModelStorage), ("StateStorage", kubernetes.StateStorage) })
            if (!Quantity().IsMatch(amount))
                errors.Add($"{key}:{name}: '{amount}' is not an amount such as 100Gi.");
        if (kubernetes.ModelStorageClass is { Length: > 0 } storage && !StorageClass().IsMatch(storage))
            errors.Add($"{key}:ModelStorageClass: '{storage}' is not a storage class's name.");
    }

    private static bool IsUrl(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && url is { Query: "", Fragment: "" };

    [GeneratedRegex("^[a-z](-?[a-z0-9]){0,19}$")]
    private static partial Regex TierName();

    // Registry, namespace, name and tag (Ollama's types/model/name.go), without a check of each part's length.
    [GeneratedRegex("^[A-Za-z0-9_][A-Za-z0-9._:/-]{0,349}$")]
    private static partial Regex ModelName();

    // Go's time.ParseDuration, or a number of seconds; a negative value is unlimited.
    [GeneratedRegex("^(-?[0-9]+|-?([0-9]+(\\.[0-9]+)?(ns|us|ms|s|m|h))+)$")]
    private static partial Regex Duration();

    [GeneratedRegex("^[0-9]+[bkmg]?$", RegexOptions.IgnoreCase)]
    private static partial Regex Memory();

    // The Kubernetes quantities that are common for storage.
    [GeneratedRegex("^[1-9][0-9]*(Mi|Gi|Ti)$")]
    private static partial Regex Quantity();

    [GeneratedRegex("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
    private static partial Regex StorageClass();

    [GeneratedRegex("^[A-Za-z0-9-]{1,64}$")]
    private static partial Regex Device();
}
