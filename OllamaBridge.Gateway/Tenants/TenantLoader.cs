using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Tenants;

/// <summary>Reads the stored tenants at startup, warns if no key is required, and polls a shared store for changes.</summary>
internal sealed class TenantLoader(
    TenantDirectory directory, ITenantStore store, IOptions<AccessOptions> options, TimeProvider time, ILogger<TenantLoader> logger) : PeriodicService(time)
{
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await TryRunAsync(cancellationToken);
        if (!directory.IsRead)
            IdentityLog.NotRead(logger);
        if (!directory.KeysRequired)
            IdentityLog.NoKeys(logger);
        await base.StartAsync(cancellationToken);
    }

    protected override TimeSpan Interval => options.Value.TenantsInterval;

    protected override bool IsEnabled => store.IsShared;

    // Records that gateways do not write must not stop this one.
    protected override Action<Exception>? LogFailure => e => IdentityLog.LoadFailed(logger, e.GetType().Name);

    protected override async Task<bool> RunOnceAsync(CancellationToken cancellationToken) => await directory.LoadAsync(cancellationToken);
}

/// <summary>Refuses to start if other machines could use the bridge without a key and the settings do not allow that.</summary>
internal sealed class AnonymousAccessValidator(IConfiguration configuration, IOptions<TenantsOptions> tenants) : IValidateOptions<AccessOptions>
{
    public ValidateOptionsResult Validate(string? name, AccessOptions options)
    {
        if (options.AllowAnonymous || options.RequireKey || HasKeys() || ListenRules.FindOpenAddress(configuration) is not { } address)
            return ValidateOptionsResult.Success;
        return ValidateOptionsResult.Fail(
            $"Bridge:Access: {(address.Contains('@', StringComparison.Ordinal) ? "an address of the settings" : address)} can be reached from other machines and there are no API keys. Configure Bridge:Tenants, or set"
            + " Bridge:Access:RequireKey for keys that are made through the API, or Bridge:Access:AllowAnonymous to allow requests without a key.");
    }

    private bool HasKeys()
    {
        try
        {
            return TenantsOptionsValidator.Read(tenants.Value).Any(t => t.Keys.Count > 0 || t.Networks.Count > 0);
        }
        catch (OptionsValidationException)
        {
            // The validator of the tenants reports their errors.
            return true;
        }
    }
}

/// <summary>Log messages of identity. Event ids 1400–1499.</summary>
internal static partial class IdentityLog
{
    [LoggerMessage(EventIds.Identity.NoKeys, LogLevel.Warning, "No API keys: any client that reaches the bridge may use models, and any client on its machine may change them")]
    public static partial void NoKeys(ILogger logger);

    [LoggerMessage(EventIds.Identity.NotRead, LogLevel.Warning, "Tenants made through the API could not be read yet: requests with their keys get status 503 until they are")]
    public static partial void NotRead(ILogger logger);

    [LoggerMessage(EventIds.Identity.OlderTenants, LogLevel.Warning, "Shared tenants have fewer changes ({Count}) than known before ({Known}): the stored tenants are used")]
    public static partial void OlderTenants(ILogger logger, long count, long known);

    [LoggerMessage(EventIds.Identity.LastKeyRemoved, LogLevel.Warning, "The last API key was removed: requests without a key {Consequence}")]
    public static partial void LastKeyRemoved(ILogger logger, string consequence);

    [LoggerMessage(EventIds.Identity.LoadFailed, LogLevel.Error, "Shared tenants could not be read ({Kind}): the known tenants stay in use")]
    public static partial void LoadFailed(ILogger logger, string kind);
}
