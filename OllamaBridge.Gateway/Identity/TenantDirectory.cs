using System.Collections.Frozen;
using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Identity;

/// <summary>What came of a key.</summary>
internal enum KeyOutcome
{
    /// <summary>It is somebody's.</summary>
    Known,

    /// <summary>It is nobody's, has expired, or its tenant is disabled.</summary>
    Refused,
}

/// <summary>Why an operator's change was not made.</summary>
internal enum TenantChange
{
    /// <summary>It was made.</summary>
    Done,

    /// <summary>There is no such tenant or key.</summary>
    NotFound,

    /// <summary>It comes from the configuration, which an API does not change.</summary>
    Configured,
}

/// <summary>Knows the tenants and their keys: configured ones, and those that operators made. Readers see one immutable list.</summary>
internal sealed class TenantDirectory
{
    private readonly ITenantStore _store;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _change = new(1);
    private readonly TenantRecord[] _configured;
    private readonly bool _requireKey;
    private volatile Listing _listing;

    public TenantDirectory(IOptions<TenantsOptions> options, IOptions<AccessOptions> access, ITenantStore store, TimeProvider time)
    {
        _store = store;
        _time = time;
        _requireKey = access.Value.RequireKey;
        _configured = [.. TenantsOptionsValidator.Read(options.Value)];
        _listing = new Listing(_configured);
    }

    /// <summary>Whether nobody gets in without a key: there is one, or the settings say so.</summary>
    public bool KeysRequired => _requireKey || _listing.HasKeys;

    /// <summary>Whether some key allows the bridge's own API.</summary>
    public bool HasAdmin => _listing.HasAdmin;

    /// <summary>Whoever comes without a key, where there are none.</summary>
    public Tenant Anonymous => _listing.Anonymous;

    /// <summary>The same from the bridge's own machine.</summary>
    public Tenant Local => _listing.Local;

    /// <summary>All tenants.</summary>
    public IReadOnlyList<TenantRecord> Tenants => _listing.Tenants;

    /// <summary>Reads the store.</summary>
    public async Task LoadAsync(CancellationToken cancellationToken) => _listing = Merge(await _store.LoadAsync(cancellationToken));

    /// <summary>Finds whose a key is.</summary>
    public (KeyOutcome Outcome, Tenant Tenant) Find(ReadOnlySpan<char> key)
    {
        if (!ApiKey.TrySplit(key, out var id, out var secret))
            return (KeyOutcome.Refused, Tenant.Nobody);
        // An unknown id is hashed as well: time does not tell which ids there are.
        var known = _listing.Keys.TryGetValue(id, out var entry);
        var matches = ApiKey.Matches(entry?.Verifier ?? Listing.NoVerifier, secret);
        return known && matches && !entry!.Disabled && (entry.Expires is not { } expires || _time.GetUtcNow() < expires)
            ? (KeyOutcome.Known, entry.Tenant)
            : (KeyOutcome.Refused, Tenant.Nobody);
    }

    /// <summary>Whether a tenant comes from the configuration.</summary>
    public bool IsConfigured(string id) => Array.Exists(_configured, t => t.Id == id);

    /// <summary>Changes a tenant.</summary>
    /// <param name="id">Its name.</param>
    /// <param name="change">From what it was, null where it was not there, to what it will be; null for nothing to do.</param>
    /// <param name="cancellationToken">Ends the wait for the store.</param>
    public async Task<TenantChange> ChangeAsync(string id, Func<TenantRecord?, TenantRecord?> change, CancellationToken cancellationToken)
    {
        if (IsConfigured(id))
            return TenantChange.Configured;
        await _change.WaitAsync(cancellationToken);
        try
        {
            if (change(_listing.Tenants.FirstOrDefault(t => t.Id == id)) is not { } tenant)
                return TenantChange.NotFound;
            await _store.SaveAsync(tenant, cancellationToken);
            await LoadAsync(cancellationToken);
            return TenantChange.Done;
        }
        finally
        {
            _change.Release();
        }
    }

    /// <summary>Forgets a tenant and its keys.</summary>
    public async Task<TenantChange> RemoveAsync(string id, CancellationToken cancellationToken)
    {
        if (IsConfigured(id))
            return TenantChange.Configured;
        await _change.WaitAsync(cancellationToken);
        try
        {
            if (!_listing.Tenants.Any(t => t.Id == id))
                return TenantChange.NotFound;
            await _store.RemoveAsync(id, cancellationToken);
            await LoadAsync(cancellationToken);
            return TenantChange.Done;
        }
        finally
        {
            _change.Release();
        }
    }

    private Listing Merge(IReadOnlyList<TenantRecord> stored) =>
        new([.. _configured, .. stored.Where(t => !IsConfigured(t.Id)).OrderBy(t => t.Id, StringComparer.Ordinal)]);

    /// <summary>One state of the directory.</summary>
    private sealed class Listing
    {
        public static readonly KeyVerifier NoVerifier = new("", new byte[16], new byte[32]);

        public Listing(IReadOnlyList<TenantRecord> tenants)
        {
            Tenants = tenants;
            var keys = new Dictionary<string, Entry>(StringComparer.Ordinal);
            foreach (var record in tenants)
            {
                var tenant = record.ToTenant(tenants);
                foreach (var key in record.Keys)
                    if (KeyVerifier.TryParse(key.Verifier, out var verifier))
                        keys[verifier.Id] = new Entry(verifier, tenant, record.Disabled, key.Expires);
            }

            var access = InstanceAccess.Of(null, tenants);
            Anonymous = Tenant.Anonymous with { Instances = access };
            Local = Tenant.Local with { Instances = access };
            HasKeys = keys.Count > 0;
            HasAdmin = keys.Values.Any(k => !k.Disabled && k.Tenant.Scopes.HasFlag(Scopes.Admin));
            Keys = keys.ToFrozenDictionary(StringComparer.Ordinal).GetAlternateLookup<ReadOnlySpan<char>>();
        }

        public IReadOnlyList<TenantRecord> Tenants { get; }

        public FrozenDictionary<string, Entry>.AlternateLookup<ReadOnlySpan<char>> Keys { get; }

        public Tenant Anonymous { get; }

        public Tenant Local { get; }

        public bool HasKeys { get; }

        public bool HasAdmin { get; }
    }

    private sealed record Entry(KeyVerifier Verifier, Tenant Tenant, bool Disabled, DateTimeOffset? Expires);
}
