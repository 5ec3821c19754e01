using System.Net;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Identity;

/// <summary>Finds out whose a request is, by its key, and whether that allows it.</summary>
internal sealed class IdentityStage(TenantDirectory directory, FailureBrake brake, TimeProvider time)
{
    /// <summary>When to come back with a key that cannot be checked.</summary>
    public static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);

    /// <summary>Handles one request of a client.</summary>
    public async Task InvokeAsync(HttpContext context, BridgeCall call, RequestDelegate next)
    {
        if (call.Operation.Kind != OperationKind.Refused && !IsOpen(call.Operation) && WantsKey(context.Request.Headers))
        {
            var (outcome, tenant, reason) = await AuthenticateAsync(context);
            if (outcome != KeyOutcome.Known)
            {
                await RefuseAsync(context, call.Operation.Protocol, outcome, reason);
                return;
            }

            call.Tenant = tenant;
        }
        else
        {
            // A host that knows its callers in another way says so by a feature.
            call.Tenant = context.Features.Get<Tenant>() ?? (call.IsLocal ? directory.Local : directory.Anonymous);
        }

        var needed = call.Operation.Kind == OperationKind.Management ? Scopes.Management : Scopes.Inference;
        if (call.Tenant.Scopes.HasFlag(needed) || IsOpen(call.Operation))
            await next(context);
        else
            await ProtocolError.WriteAsync(context, call.Operation.Protocol, StatusCodes.Status403Forbidden, needed == Scopes.Inference
                ? "this API key is not for asking models"
                : directory.KeysRequired ? "this API key is not for changing models" : "models may be changed from the bridge's own machine only");
    }

    /// <summary>Whether a request may use the bridge's own API.</summary>
    /// <param name="context">The request.</param>
    /// <param name="suffices">What a key may have in the place of <see cref="Scopes.Admin"/>.</param>
    /// <returns>The status to answer with; null where it may.</returns>
    public async ValueTask<int?> AuthorizeAdminAsync(HttpContext context, Scopes suffices = Scopes.None)
    {
        // Whoever is on this machine is its operator until there is a key for operators.
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

    /// <summary>Whether a request may see what those may who ask models.</summary>
    /// <returns>Whose it is, or the status to answer with.</returns>
    public async ValueTask<(Tenant? Tenant, int Status)> AuthorizeCallerAsync(HttpContext context)
    {
        if (!WantsKey(context.Request.Headers))
            return (context.Features.Get<Tenant>() ?? (Caller.IsLocal(context) ? directory.Local : directory.Anonymous), StatusCodes.Status200OK);
        var (outcome, tenant, _) = await AuthenticateAsync(context);
        return outcome switch
        {
            KeyOutcome.Known when (tenant.Scopes & (Scopes.Inference | Scopes.Admin)) != 0 => (tenant, StatusCodes.Status200OK),
            KeyOutcome.Known => (null, StatusCodes.Status403Forbidden),
            KeyOutcome.Unchecked => (null, StatusCodes.Status503ServiceUnavailable),
            _ => (null, StatusCodes.Status401Unauthorized),
        };
    }

    /// <summary>Whether a request's key decides: where one is needed, and where it may be one that could not be read yet. To serve that one's
    /// owner as nobody in particular would be to forget what it may not.</summary>
    private bool WantsKey(IHeaderDictionary headers) => directory.KeysRequired || (!directory.IsRead && Credentials.Of(headers).Any(key => directory.MayBeKnownLater(key)));

    private static Task RefuseAsync(HttpContext context, Protocol protocol, KeyOutcome outcome, string reason)
    {
        if (outcome == KeyOutcome.Unchecked)
            return ProtocolError.WriteAsync(context, protocol, StatusCodes.Status503ServiceUnavailable, "API keys cannot be checked at the moment", Retry);
        context.Response.Headers.WWWAuthenticate = "Bearer";
        return ProtocolError.WriteAsync(context, protocol, StatusCodes.Status401Unauthorized, $"a valid API key is required: {reason}");
    }

    /// <summary>What clients ask before they have a key: whether somebody is there, and which version.</summary>
    private static bool IsOpen(Operation operation) => operation.Name is "root" or "version";

    /// <summary>Whose a request is: the first of its keys that is valid decides, else the network that it comes from. Keys of other services are passed over.</summary>
    /// <remarks>A wrong key makes the answer late.</remarks>
    private async ValueTask<(KeyOutcome Outcome, Tenant Tenant, string Reason)> AuthenticateAsync(HttpContext context)
    {
        var isUnchecked = false;
        string? own = null, foreign = null;
        foreach (var key in Credentials.Of(context.Request.Headers))
        {
            var (outcome, tenant, id) = directory.Find(key);
            if (outcome == KeyOutcome.Known)
            {
                context.Features.Set(new CallerIdentity(tenant, id));
                return (outcome, tenant, "");
            }

            isUnchecked |= outcome == KeyOutcome.Unchecked;
            if (ApiKey.TrySplit(key, out _, out _))
                own ??= key;
            else if (key.Length > 0)
                foreign ??= key;
        }

        if (isUnchecked)
            return (KeyOutcome.Unchecked, Tenant.Nobody, "");
        if (own is null && directory.FindByNetwork(context) is { } neighbour)
        {
            context.Features.Set(new CallerIdentity(neighbour, KeyId: null));
            return (KeyOutcome.Known, neighbour, "");
        }

        if ((own ?? foreign) is not { } wrong)
            return (KeyOutcome.Refused, Tenant.Nobody, "none was sent (Authorization: Bearer KEY, or x-api-key: KEY)");
        var delay = brake.Fail(AddressOf(context.Connection));
        if (delay > TimeSpan.Zero)
            await Task.Delay(delay, time, context.RequestAborted);
        return (KeyOutcome.Refused, Tenant.Nobody, directory.Explain(wrong));
    }

    // A network of IPv6 addresses is one customer's: 64 bits of it.
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
