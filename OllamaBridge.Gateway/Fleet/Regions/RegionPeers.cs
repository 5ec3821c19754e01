using System.Runtime.CompilerServices;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Discovery;
using OllamaBridge.Gateway.Settings;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Fleet.Regions;

/// <summary>The bridges of other regions as instances of this fleet, and the view of the fleet without them.</summary>
internal sealed class RegionPeers
{
    private const int MaxSlots = 1024;
    private readonly Derived<RegionOptions, Peers> _peers;

    public RegionPeers(IOptions<RegionOptions> options) => _peers = new Derived<RegionOptions, Peers>(options, static o => new Peers(Read(o, [])));

    public IReadOnlyList<InstanceDefinition> Definitions => _peers.Value.Definitions;

    /// <summary>If a reloaded configuration gives an instance the name or URL of a peer, the peer is left out.</summary>
    public IReadOnlyList<InstanceDefinition> Append(IReadOnlyList<InstanceDefinition> here) => Definitions.Count == 0
        ? here
        : [.. here, .. Definitions.Where(p => !here.Any(d => d.Url == p.Url || string.Equals(d.Name, p.Name, StringComparison.OrdinalIgnoreCase)))];

    public InstanceAccess? WithoutPeers(InstanceAccess? access) => _peers.Value.WithoutPeers(access);

    private sealed class Peers(IReadOnlyList<InstanceDefinition> definitions)
    {
        private readonly string[] _names = [.. definitions.Select(d => d.Name)];
        private readonly ConditionalWeakTable<InstanceAccess, InstanceAccess> _here = new();
        private readonly InstanceAccess? _all = definitions.Count == 0 ? null : InstanceAccess.Without(null, [.. definitions.Select(d => d.Name)]);

        public IReadOnlyList<InstanceDefinition> Definitions => definitions;

        public InstanceAccess? WithoutPeers(InstanceAccess? access) =>
            access is null || _names.Length == 0 ? access ?? _all : _here.GetValue(access, a => InstanceAccess.Without(a, _names));
    }

    /// <summary>Reads the peers. Adds one line per error to <paramref name="errors"/>, with the configuration key and never with an API key.</summary>
    public static IReadOnlyList<InstanceDefinition> Read(RegionOptions options, ICollection<string> errors)
    {
        var self = options.Self?.Trim() ?? "";
        if (self.Length > 0 && !InstanceDefinitions.IsName(self))
            errors.Add($"Self: '{self}' {InstanceDefinitions.NameRule}");
        else if (self.Length == 0 && options.Peers.Count > 0)
            errors.Add("Self: must be set if there are peers, which use it to detect routing loops.");
        var peers = new List<InstanceDefinition>();
        var names = new HashSet<string>(StringComparer.OrdinalIgnoreCase) { self };
        for (var i = 0; i < options.Peers.Count; i++)
        {
            var (peer, key) = (options.Peers[i], $"Peers:{i}");
            var name = peer.Name?.Trim() ?? "";
            var hasUrl = InstanceDefinitions.TryReadUrl(peer.Url, out var url);
            if (!hasUrl)
                errors.Add($"{key}:Url: {InstanceAddress.Mistake(peer.Url, "https://bridge.us-east.example")}");
            else if (peers.Exists(p => p.Url == url))
                errors.Add($"{key}:Url: {url} is used twice.");
            if (!InstanceDefinitions.IsName(name))
                errors.Add($"{key}:Name: '{name}' {InstanceDefinitions.NameRule}");
            else if (!names.Add(name))
                errors.Add($"{key}:Name: '{name}' is used twice, or is this region's own name.");
            if (peer.Slots is < 1 or > MaxSlots)
                errors.Add($"{key}:Slots: {peer.Slots} is not between 1 and {MaxSlots}.");
            if (peer.ApiKey is { } secret && secret.AsSpan().ContainsAnyExceptInRange('!', '~'))
                errors.Add($"{key}:ApiKey: may contain only printable ASCII characters without spaces.");
            foreach (var (setting, mistake) in InstanceTls.Mistakes(peer.Tls, hasUrl ? url : null))
                errors.Add($"{key}:{setting}: {mistake}");
            if (hasUrl)
                // The peer manages its own model memory, so a request to it never evicts a model here.
                peers.Add(InstanceDefinitions.Plain(new InstanceDefinition(name, url, peer.Slots, MaxLoadedModels: int.MaxValue)
                {
                    Peer = new PeerBridge(self, options.PollInterval),
                    Tls = InstanceTls.Read(peer.Tls),
                    ApiKey = string.IsNullOrEmpty(peer.ApiKey) ? null : new InstanceKey(peer.ApiKey),
                }));
        }

        return peers;
    }
}

/// <summary>Rejects an instance that has the name or URL of a peer: both share one namespace.</summary>
internal sealed class PeerNamesValidator(IOptions<RegionOptions> regions) : IValidateOptions<FleetOptions>
{
    public ValidateOptionsResult Validate(string? name, FleetOptions options)
    {
        IReadOnlyList<InstanceDefinition> peers;
        try
        {
            peers = RegionPeers.Read(regions.Value, []);
        }
        catch (OptionsValidationException)
        {
            // Reported by the validators of RegionOptions.
            return ValidateOptionsResult.Success;
        }

        string[] errors =
        [
            .. InstanceDefinitions.Read(options, [])
                .Where(d => peers.Any(p => p.Url == d.Url || string.Equals(p.Name, d.Name, StringComparison.OrdinalIgnoreCase)))
                .Select(d => $"Bridge:Regions:Peers: '{d.Name}' ({d.Url}) is also an instance of this region; a peer needs a name and URL of its own."),
        ];
        return errors.Length == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }
}
