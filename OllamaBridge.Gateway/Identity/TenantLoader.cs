using Microsoft.Extensions.Options;

namespace OllamaBridge.Gateway.Identity;

/// <summary>Reads the stored tenants when the bridge starts, and warns where anybody may use it.</summary>
internal sealed class TenantLoader(TenantDirectory directory, ILogger<TenantLoader> logger) : IHostedService
{
    /// <inheritdoc/>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await directory.LoadAsync(cancellationToken);
        if (!directory.KeysRequired)
            IdentityLog.NoKeys(logger);
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
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
            $"Bridge:Access: {address} can be reached from other machines and there are no API keys. Configure Bridge:Tenants, or set"
            + " Bridge:Access:RequireKey for keys that are made through the API, or Bridge:Access:AllowAnonymous to let everybody in.");
    }

    private bool HasKeys()
    {
        try
        {
            return TenantsOptionsValidator.Read(tenants.Value).Any(t => t.Keys.Count > 0);
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
}
