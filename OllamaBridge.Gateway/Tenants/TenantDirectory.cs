using System.Collections.Frozen;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Tenants;

internal enum KeyOutcome
{
    Known,

    /// <summary>The key is unknown or has expired, or its tenant is disabled.</summary>
    Refused,

    /// <summary>The key may be valid: the tenants that were made through the API could not be read yet.</summary>
    Unchecked,
}

internal enum TenantChange
{
    Done,

    NotFound,

    /// <summary>The tenant comes from the configuration, which the API does not change.</summary>
    Configured,

    /// <summary>The store does not respond; whether the change was made is unknown.</summary>
    Unavailable,
}

/// <summary><c>Tenant</c> is the tenant after the change; null if it was removed or not changed.</summary>
internal readonly record struct TenantEdit(TenantChange Change, TenantRecord? Tenant = null);

/// <summary>The tenants and their keys: configured ones, and those that operators made. Readers use one immutable list.</summary>
internal sealed class TenantDirectory
{
    private readonly ITenantStore _store;
    private readonly TimeProvider _time;
    private readonly ILogger<TenantDirectory> _logger;
    private readonly SemaphoreSlim _change = new(1);
    private readonly IOptions<AccessOptions> _access;
    private readonly Lock _listingLock = new();
    private volatile TenantRecord[] _configured;
    private volatile Listing _listing;
    private volatile bool _hadKeys;
    // Written under _change.
    private volatile TenantList? _stored;
    // Under _change.
    private bool _readAnew;

    public TenantDirectory(
        IOptions<TenantsOptions> options, IOptions<AccessOptions> access, ITenantStore store, TimeProvider time, ILogger<TenantDirectory> logger)
    {
        _store = store;
        _time = time;
        _logger = logger;
        _access = access;
        _configured = [.. TenantsOptionsValidator.Read(options.Value)];
        _listing = new Listing(_configured, isRead: false);
        _hadKeys = _listing.HasKeys;
    }

    /// <summary>Whether every request needs a key. Removing the last key does not open the bridge; only <c>Bridge:Access:AllowAnonymous</c> does.</summary>
    public bool KeysRequired => _access.Value is var access && (access.RequireKey || _listing.HasKeys || (_hadKeys && !access.AllowAnonymous));

    public bool IsRead => _listing.IsRead;

    /// <summary>Whether local clients are operators: until a key with the Admin scope exists, or, if keys are required, may exist unread.</summary>
    public bool LocalIsOperator => _listing is var listing && !listing.HasAdmin && (listing.IsRead || !_access.Value.RequireKey);

    public Tenant Anonymous => _listing.Anonymous;

    public Tenant Local => _listing.Local;

    public IReadOnlyList<TenantRecord> Tenants => _listing.Tenants;

    /// <returns>Whether the store responded; if not, the known tenants stay.</returns>
    public async Task<bool> LoadAsync(CancellationToken cancellationToken)
    {
        await _change.WaitAsync(cancellationToken);
        try
        {
            return await ReadAsync(cancellationToken);
        }
        finally
        {
            _change.Release();
        }
    }

    /// <summary>Replaces the configured tenants. A stored tenant of the same name stays, but is not used.</summary>
    public void Configure(TenantsOptions options)
    {
        _configured = [.. TenantsOptionsValidator.Read(options)];
        List();
    }

    /// <summary>The key's id is null unless it is <see cref="KeyOutcome.Known"/>.</summary>
    public (KeyOutcome Outcome, Tenant Tenant, string? KeyId) Find(ReadOnlySpan<char> key)
    {
        if (!ApiKey.TrySplit(key, out var id, out var secret))
            return (KeyOutcome.Refused, Tenant.Nobody, null);
        // The secret is hashed for an unknown id as well, so that the response time does not reveal which ids exist.
        var listing = _listing;
        var known = listing.Keys.TryGetValue(id, out var entry);
        if (!known && !listing.IsRead)
            return (KeyOutcome.Unchecked, Tenant.Nobody, null);
        var matches = ApiKey.Matches(entry?.Verifier ?? Listing.NoVerifier, secret);
        return known && matches && !entry!.Disabled && (entry.Expires is not { } expires || _time.GetWallClock() < expires)
            ? (KeyOutcome.Known, entry.Tenant, entry.Verifier.Id)
            : (KeyOutcome.Refused, Tenant.Nobody, null);
    }

    /// <summary>Only a request with the right secret learns more than that the key is unknown.</summary>
    public string Explain(ReadOnlySpan<char> key)
    {
        if (!ApiKey.TrySplit(key, out var id, out var secret))
            return "the credential that was sent is not a key of this bridge";
        return !_listing.Keys.TryGetValue(id, out var entry) || !ApiKey.Matches(entry.Verifier, secret) ? "the key that was sent is unknown"
            : entry.Disabled ? $"the tenant of this key, {entry.Tenant.Id}, is disabled"
            : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"this key has expired ({entry.Expires:yyyy-MM-dd})");
    }

    public Tenant? FindByNetwork(HttpContext context) => _listing.Networks.Find(context);

    public bool MayBeKnownLater(ReadOnlySpan<char> key) => !IsRead && Find(key).Outcome == KeyOutcome.Unchecked;

    public bool IsConfigured(string id) => Array.Exists(_configured, t => t.Id == id);

    /// <summary><paramref name="change"/> maps the old tenant (null: none) to the new one (null: no change). Called again after a concurrent change.</summary>
    public Task<TenantEdit> ChangeAsync(string id, Func<TenantRecord?, TenantRecord?> change, CancellationToken cancellationToken) =>
        EditAsync(id, was => change(was) is { } tenant ? (true, tenant) : default, cancellationToken);

    public Task<TenantEdit> RemoveAsync(string id, CancellationToken cancellationToken) =>
        EditAsync(id, was => (was is not null, null), cancellationToken);

    private async Task<TenantEdit> EditAsync(
        string id, Func<TenantRecord?, (bool Wanted, TenantRecord? Tenant)> edit, CancellationToken cancellationToken)
    {
        if (IsConfigured(id))
            return new TenantEdit(TenantChange.Configured);
        await _change.WaitAsync(cancellationToken);
        try
        {
            while (await ReadAsync(cancellationToken))
            {
                var (wanted, tenant) = edit(_stored!.Tenants.FirstOrDefault(t => t.Id == id));
                if (!wanted)
                    return new TenantEdit(TenantChange.NotFound);
                var (outcome, version) = await _store.ReplaceAsync(_stored.Version, id, tenant, cancellationToken);
                if (outcome == WriteOutcome.Done)
                {
                    Take(_stored.With(version, id, tenant));
                    return new TenantEdit(TenantChange.Done, tenant);
                }

                if (outcome == WriteOutcome.NoAnswer)
                    break;
            }

            _readAnew = true;
            return new TenantEdit(TenantChange.Unavailable);
        }
        finally
        {
            _change.Release();
        }
    }

    /// <summary>After a failure, the whole list is read regardless of its version.</summary>
    private async ValueTask<bool> ReadAsync(CancellationToken cancellationToken)
    {
        var (answered, list) = await _store.ReadAsync(_readAnew ? null : _stored?.Version, cancellationToken);
        _readAnew = !answered;
        if (list is not null)
        {
            if (_stored is not null && list.Version.Count < _stored.Version.Count)
                IdentityLog.OlderTenants(_logger, list.Version.Count, _stored.Version.Count);
            Take(list);
        }

        return answered;
    }

    private void Take(TenantList stored)
    {
        // A list that was changed before this process started may have had keys. Their removal must not open the bridge.
        _hadKeys |= _stored is null && stored.Version.Count > 0;
        _stored = stored;
        List();
    }

    private void List()
    {
        lock (_listingLock)
        {
            var hadKeys = _listing.HasKeys;
            var (configured, stored) = (_configured, _stored);
            IEnumerable<TenantRecord> made = stored is null ? [] : stored.Tenants.Where(t => !Array.Exists(configured, c => c.Id == t.Id));
            _listing = new Listing([.. configured, .. made.OrderBy(t => t.Id, StringComparer.Ordinal)], isRead: stored is not null);
            _hadKeys |= _listing.HasKeys;
            if (hadKeys && !_listing.HasKeys)
                IdentityLog.LastKeyRemoved(
                    _logger, _access.Value.AllowAnonymous
                        ? "are allowed (Bridge:Access:AllowAnonymous)"
                        : "are refused unless Bridge:Access:AllowAnonymous is set");
        }
    }

    private sealed class Listing
    {
        public static readonly KeyVerifier NoVerifier = new("", new byte[16], new byte[32]);

        public Listing(IReadOnlyList<TenantRecord> tenants, bool isRead)
        {
            Tenants = tenants;
            IsRead = isRead;
            var keys = new Dictionary<string, Entry>(StringComparer.Ordinal);
            foreach (var record in tenants)
            {
                var tenant = record.ToTenant(tenants);
                foreach (var key in record.Keys)
                    if (KeyVerifier.TryParse(key.Verifier, out var verifier))
                        keys[verifier.Id] = new Entry(verifier, tenant, record.Disabled, key.Expires);
            }

            Networks = new SourceNetworks(tenants.Where(t => !t.Disabled).SelectMany(t => t.Networks.Select(n => (n, t.ToTenant(tenants)))));
            var access = InstanceAccess.Of(null, tenants);
            Anonymous = Tenant.Anonymous with { Instances = access };
            Local = Tenant.Local with { Instances = access };
            HasKeys = keys.Count > 0 || tenants.Any(t => t.Networks.Count > 0);
            HasAdmin = keys.Values.Any(k => !k.Disabled && k.Tenant.Scopes.HasFlag(Scopes.Admin));
            Keys = keys.ToFrozenDictionary(StringComparer.Ordinal).GetAlternateLookup<ReadOnlySpan<char>>();
        }

        public IReadOnlyList<TenantRecord> Tenants { get; }

        public FrozenDictionary<string, Entry>.AlternateLookup<ReadOnlySpan<char>> Keys { get; }

        public Tenant Anonymous { get; }

        public Tenant Local { get; }

        public SourceNetworks Networks { get; }

        public bool IsRead { get; }

        public bool HasKeys { get; }

        public bool HasAdmin { get; }
    }

    private sealed record Entry(KeyVerifier Verifier, Tenant Tenant, bool Disabled, DateTimeOffset? Expires);
}
