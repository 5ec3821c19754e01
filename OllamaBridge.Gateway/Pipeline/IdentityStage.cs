using System.Net;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Authenticates a request by its key or source network, and checks the scopes of its tenant.</summary>
internal sealed class IdentityStage(TenantDirectory directory, FailedLoginThrottle brake, TimeProvider time)
{
    /// <summary><c>Retry-After</c> of a request whose key can't be checked yet.</summary>
    public static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);

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
            // A host with its own authentication sets the tenant as a feature.
            call.Tenant = context.Features.Get<Tenant>() ?? (call.IsLocal ? directory.Local : directory.Anonymous);
        }

        var needed = call.Operation.Kind == OperationKind.Management ? Scopes.Management : Scopes.Inference;
        if (call.Tenant.Scopes.HasFlag(needed) || IsOpen(call.Operation))
            await next(context);
        else
            await ProtocolError.WriteAsync(context, call.Operation.Protocol, StatusCodes.Status403Forbidden, needed == Scopes.Inference
                ? "this API key lacks the Inference scope"
                : directory.KeysRequired ? "this API key lacks the Management scope" : "models may be changed from the bridge's own machine only");
    }

    /// <summary>
    /// Checks whether a request may use the operators' API. A key needs <see cref="Scopes.Admin"/> or <paramref name="suffices"/>. Returns the status of the
    /// refusal; null if the request is allowed.
    /// </summary>
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

    /// <summary>
    /// Whether the request's key decides: if keys are required, or if it may be a key that could not be read yet. Serving that one anonymously would ignore its
    /// tenant's restrictions.
    /// </summary>
    private bool WantsKey(IHeaderDictionary headers) => directory.KeysRequired || (!directory.IsRead && Credentials.Of(headers).Any(key => directory.MayBeKnownLater(key)));

    private static Task RefuseAsync(HttpContext context, Protocol protocol, KeyOutcome outcome, string reason)
    {
        if (outcome == KeyOutcome.Unchecked)
            return ProtocolError.WriteAsync(context, protocol, StatusCodes.Status503ServiceUnavailable, "API keys cannot be checked at the moment", Retry);
        context.Response.Headers.WWWAuthenticate = "Bearer";
        return ProtocolError.WriteAsync(context, protocol, StatusCodes.Status401Unauthorized, $"a valid API key is required: {reason}");
    }

    /// <summary>Whether an operation needs no key: clients check liveness and version before they have one.</summary>
    private static bool IsOpen(Operation operation) => operation.Name is "root" or "version";

    /// <summary>
    /// Authenticates by the first valid key, else by the source network. Keys of other services are skipped. The response to a wrong key is delayed.
    /// </summary>
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
