using System.Net;

namespace OllamaBridge.Gateway.Tenants;

internal sealed class RequestAuthenticator(TenantDirectory directory, FailedLoginThrottle throttle, TimeProvider time)
{
    /// <summary><c>Retry-After</c> of a request whose key can't be checked yet.</summary>
    public static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);

    public bool KeysRequired => directory.KeysRequired;

    /// <summary>A key needs <see cref="Scopes.Admin"/> or <paramref name="suffices"/>. Returns the status of the refusal; null if the request is allowed.</summary>
    public async ValueTask<int?> AuthorizeAdminAsync(HttpContext context, Scopes suffices = Scopes.None)
    {
        // Clients on this machine are operators until a key with the Admin scope exists.
        if (directory.LocalIsOperator && Caller.IsLocal(context))
            return null;
        if (!WantsKey(context.Request.Headers))
            return StatusCodes.Status403Forbidden;
        var (outcome, tenant, _) = await AuthenticateAsync(context);
        return outcome switch
        {
            KeyOutcome.Known => (tenant.Scopes & (Scopes.Admin | suffices)) != 0 ? null : StatusCodes.Status403Forbidden,
            KeyOutcome.Unchecked => StatusCodes.Status503ServiceUnavailable,
            _ => StatusCodes.Status401Unauthorized,
        };
    }

    /// <summary>Authenticates a request that needs the Inference or Admin scope. Returns its tenant, or null and the status of the refusal.</summary>
    public async ValueTask<(Tenant? Tenant, int Status)> AuthorizeCallerAsync(HttpContext context)
    {
        if (!WantsKey(context.Request.Headers))
            return (TenantWithoutKey(context), StatusCodes.Status200OK);
        var (outcome, tenant, _) = await AuthenticateAsync(context);
        return outcome switch
        {
            KeyOutcome.Known when (tenant.Scopes & (Scopes.Inference | Scopes.Admin)) != 0 => (tenant, StatusCodes.Status200OK),
            KeyOutcome.Known => (null, StatusCodes.Status403Forbidden),
            KeyOutcome.Unchecked => (null, StatusCodes.Status503ServiceUnavailable),
            _ => (null, StatusCodes.Status401Unauthorized),
        };
    }

    /// <summary>Whether the key decides: if keys are required, or if it can't be read yet (an anonymous tenant would lack its restrictions).</summary>
    public bool WantsKey(IHeaderDictionary headers) => directory.KeysRequired || (!directory.IsRead && Credentials.Of(headers).Any(key => directory.MayBeKnownLater(key)));

    /// <summary>The tenant of a request whose key does not decide. A host with its own authentication sets the tenant as a feature.</summary>
    public Tenant TenantWithoutKey(HttpContext context) =>
        context.Features.Get<Tenant>() ?? (Caller.IsLocal(context) ? directory.Local : directory.Anonymous);

    /// <summary>By the first valid key, else by the source network. Keys of other services are skipped. The response to a wrong key is delayed.</summary>
    public async ValueTask<Authentication> AuthenticateAsync(HttpContext context)
    {
        var isUnchecked = false;
        string? own = null, foreign = null;
        foreach (var key in Credentials.Of(context.Request.Headers))
        {
            var (outcome, tenant, id) = directory.Find(key);
            if (outcome == KeyOutcome.Known)
            {
                context.Features.Set(new CallerIdentity(tenant, id));
                return new(outcome, tenant);
            }

            isUnchecked |= outcome == KeyOutcome.Unchecked;
            if (ApiKey.TrySplit(key, out _, out _))
                own ??= key;
            else if (key.Length > 0)
                foreign ??= key;
        }

        if (isUnchecked)
            return new(KeyOutcome.Unchecked, Tenant.Nobody);
        if (own is null && directory.FindByNetwork(context) is { } neighbour)
        {
            context.Features.Set(new CallerIdentity(neighbour, KeyId: null));
            return new(KeyOutcome.Known, neighbour);
        }

        if ((own ?? foreign) is not { } wrong)
            return new(KeyOutcome.Refused, Tenant.Nobody, "none was sent (Authorization: Bearer KEY, or x-api-key: KEY)");
        var delay = throttle.Fail(AddressOf(context.Connection));
        if (delay > TimeSpan.Zero)
            await Task.Delay(delay, time, context.RequestAborted);
        return new(KeyOutcome.Refused, Tenant.Nobody, directory.Explain(wrong));
    }

    // An IPv6 network of 64 bits belongs to one customer.
    private static string AddressOf(ConnectionInfo connection)
    {
        var address = connection.RemoteIpAddress ?? IPAddress.None;
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        return address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6
            ? Convert.ToHexString(address.GetAddressBytes().AsSpan(0, 8))
            : address.ToString();
    }
}

/// <summary><c>Tenant</c> is <see cref="Tenant.Nobody"/> unless the outcome is <see cref="KeyOutcome.Known"/>. <c>Reason</c> is text for the client.</summary>
internal readonly record struct Authentication(KeyOutcome Outcome, Tenant Tenant, string Reason = "");
