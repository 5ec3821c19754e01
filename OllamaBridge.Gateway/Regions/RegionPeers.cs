using System.Runtime.CompilerServices;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Identity;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Regions;

/// <summary>The bridges of other regions as instances of this one's fleet, and the tenants' view without them.</summary>
internal sealed class RegionPeers
{
    private const int MaxSlots = 1024;
    private readonly Derived<RegionOptions, Peers> _peers;

    public RegionPeers(IOptions<RegionOptions> options) => _peers = new Derived<RegionOptions, Peers>(options, static o => new Peers(Read(o, [])));

    /// <summary>The peers of the settings in effect.</summary>
    public IReadOnlyList<InstanceDefinition> Definitions => _peers.Value.Definitions;

    /// <summary>Adds the peers to the instances of this region, behind them.</summary>
    /// <remarks>Where the changed configuration gives an instance a peer's name or address, the instance has it.</remarks>
    public IReadOnlyList<InstanceDefinition> Append(IReadOnlyList<InstanceDefinition> here) => Definitions.Count == 0
        ? here
        : [.. here, .. Definitions.Where(p => !here.Any(d => d.Url == p.Url || string.Equals(d.Name, p.Name, StringComparison.OrdinalIgnoreCase)))];

    /// <summary>What may be used of this region alone.</summary>
    /// <param name="access">What may be used of all; null for any.</param>
    public InstanceAccess? Here(InstanceAccess? access) => _peers.Value.Here(access);

    /// <summary>One state of the settings.</summary>
    private sealed class Peers(IReadOnlyList<InstanceDefinition> definitions)
    {
        private readonly string[] _names = [.. definitions.Select(d => d.Name)];
        private readonly ConditionalWeakTable<InstanceAccess, InstanceAccess> _here = new();
        private readonly InstanceAccess? _all = definitions.Count == 0 ? null : InstanceAccess.Without(null, [.. definitions.Select(d => d.Name)]);

        public IReadOnlyList<InstanceDefinition> Definitions => definitions;

        public InstanceAccess? Here(InstanceAccess? access) =>
            access is null || _names.Length == 0 ? access ?? _all : _here.GetValue(access, a => InstanceAccess.Without(a, _names));
    }

    /// <summary>Reads the options.</summary>
    /// <param name="options">What was configured.</param>
    /// <param name="errors">Receives one line for each mistake, naming the configuration key. Never a key of a peer.</param>
    public static IReadOnlyList<InstanceDefinition> Read(RegionOptions options, ICollection<string> errors)
    {
        var self = options.Self?.Trim() ?? "";
        if (self.Length > 0 && !InstanceDefinitions.IsName(self))
            errors.Add($"Self: '{self}' {InstanceDefinitions.NameRule}");
        else if (self.Length == 0 && options.Peers.Count > 0)
            errors.Add("Self: what is this region called? Peers must know where a request has been.");
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
                errors.Add($"{key}:Url: {url} is there twice.");
            if (!InstanceDefinitions.IsName(name))
                errors.Add($"{key}:Name: '{name}' {InstanceDefinitions.NameRule}");
            else if (!names.Add(name))
                errors.Add($"{key}:Name: '{name}' is used twice, or is this region itself.");
            if (peer.Slots is < 1 or > MaxSlots)
                errors.Add($"{key}:Slots: {peer.Slots} is not between 1 and {MaxSlots}.");
            if (peer.ApiKey is { } secret && secret.AsSpan().ContainsAnyExceptInRange('!', '~'))
                errors.Add($"{key}:ApiKey: may only have printable ASCII characters without blanks.");
            if (hasUrl)
                // What is in its memory is its own matter: nothing that comes there throws anything out here.
                peers.Add(InstanceDefinitions.Plain(new InstanceDefinition(name, url, peer.Slots, MaxLoadedModels: int.MaxValue)
                {
                    Peer = new PeerBridge(self, options.PollInterval),
                    ApiKey = string.IsNullOrEmpty(peer.ApiKey) ? null : new InstanceKey(peer.ApiKey),
                }));
        }

        return peers;
    }
}

/// <summary>The names of instances and those of regions are one set of names.</summary>
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
            // Reported by those whose matter it is.
            return ValidateOptionsResult.Success;
        }

        string[] errors =
        [
            .. InstanceDefinitions.Read(options, [])
                .Where(d => peers.Any(p => p.Url == d.Url || string.Equals(p.Name, d.Name, StringComparison.OrdinalIgnoreCase)))
                .Select(d => $"Bridge:Regions:Peers: '{d.Name}' ({d.Url}) is an instance here, too; a region is another bridge with another name."),
        ];
        return errors.Length == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(errors);
    }
}
