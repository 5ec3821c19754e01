using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Identity;

/// <summary>Reads the stored tenants when the bridge starts, warns where anybody may use it, and looks again and again where others change them.</summary>
internal sealed class TenantLoader(
    TenantDirectory directory, ITenantStore store, IOptions<AccessOptions> options, TimeProvider time, ILogger<TenantLoader> logger) : BackgroundService
{
    private bool _complained;

    /// <inheritdoc/>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await LoadAsync(cancellationToken);
        if (!directory.IsRead)
            IdentityLog.NotRead(logger);
        if (!directory.KeysRequired)
            IdentityLog.NoKeys(logger);
        await base.StartAsync(cancellationToken);
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!store.IsShared)
            return;
        try
        {
            while (true)
            {
                await Task.Delay(options.Value.TenantsInterval, time, stoppingToken);
                await LoadAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The service stops.
        }
    }

    private async Task LoadAsync(CancellationToken cancellationToken)
    {
        try
        {
            _complained &= !await directory.LoadAsync(cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // Whatever stands there, it is not what gateways write; that must not end this one.
            if (!_complained)
                IdentityLog.LoadFailed(logger, e.GetType().Name);
            _complained = true;
        }
    }
}

/// <summary>Refuses to start where others could use the bridge without a key and nobody has said that they may.</summary>
internal sealed class OpenDoorValidator(IConfiguration configuration, IOptions<TenantsOptions> tenants) : IValidateOptions<AccessOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, AccessOptions options)
    {
        if (options.AllowAnonymous || options.RequireKey || HasKeys() || ListenRules.FindOpenAddress(configuration) is not { } address)
            return ValidateOptionsResult.Success;
        return ValidateOptionsResult.Fail(
            $"Bridge:Access: {(address.Contains('@', StringComparison.Ordinal) ? "an address of the settings" : address)} can be reached from other machines and there are no API keys. Configure Bridge:Tenants, or set"
            + " Bridge:Access:RequireKey for keys that are made through the API, or Bridge:Access:AllowAnonymous to let everybody in.");
    }

    private bool HasKeys()
    {
        try
        {
            return TenantsOptionsValidator.Read(tenants.Value).Any(t => t.Keys.Count > 0 || t.Networks.Count > 0);
        }
        catch (OptionsValidationException)
        {
            // Their own validator says what is wrong with them.
            return true;
        }
    }
}

/// <summary>What identity says in the log. Event ids 1400–1499.</summary>
internal static partial class IdentityLog
{
    [LoggerMessage(1400, LogLevel.Warning, "There are no API keys: whoever reaches the bridge may ask models, and whoever is on its machine may change them")]
    public static partial void NoKeys(ILogger logger);

    [LoggerMessage(1401, LogLevel.Warning, "The tenants that were made through the API could not be read yet: their keys are answered with 503 until they are")]
    public static partial void NotRead(ILogger logger);

    [LoggerMessage(1402, LogLevel.Warning, "The shared tenants have seen fewer changes ({Count}) than were known ({Known}): what is there holds now")]
    public static partial void OlderTenants(ILogger logger, long count, long known);

    [LoggerMessage(1404, LogLevel.Warning, "The last API key was removed: requests without a key {Consequence}")]
    public static partial void LastKeyRemoved(ILogger logger, string consequence);

    [LoggerMessage(1403, LogLevel.Error, "The shared tenants cannot be read ({Kind}): those that are known hold on")]
    public static partial void LoadFailed(ILogger logger, string kind);
}
