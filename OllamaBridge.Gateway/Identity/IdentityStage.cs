using System.Net;
using Microsoft.Extensions.Primitives;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Identity;

/// <summary>Finds out whose a request is, by its key, and whether that allows it.</summary>
internal sealed class IdentityStage(TenantDirectory directory, FailureBrake brake, TimeProvider time)
{
    private const string Bearer = "Bearer ";

    /// <summary>Handles one request of a client.</summary>
    public async Task InvokeAsync(HttpContext context, BridgeCall call, RequestDelegate next)
    {
        if (directory.KeysRequired && call.Operation.Kind != OperationKind.Refused && !IsOpen(call.Operation))
        {
            if (await AuthenticateAsync(context) is not { } tenant)
            {
                context.Response.Headers.WWWAuthenticate = "Bearer";
                await ProtocolError.WriteAsync(context, call.Operation.Protocol, StatusCodes.Status401Unauthorized, "a valid API key is required");
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
    /// <returns>The status to answer with; null where it may.</returns>
    public async ValueTask<int?> AuthorizeAdminAsync(HttpContext context)
    {
        // Whoever is on this machine is its operator until there is a key for operators.
        if (!directory.HasAdmin && Caller.IsLocal(context))
            return null;
        if (!directory.KeysRequired)
            return StatusCodes.Status403Forbidden;
        return await AuthenticateAsync(context) is not { } tenant ? StatusCodes.Status401Unauthorized
            : tenant.Scopes.HasFlag(Scopes.Admin) ? null
            : StatusCodes.Status403Forbidden;
    }

    /// <summary>What clients ask before they have a key: whether somebody is there, and which version.</summary>
    private static bool IsOpen(Operation operation) => operation.Name is "root" or "version";

    /// <returns>Null for no key, or a wrong one, which makes the answer late.</returns>
    private async ValueTask<Tenant?> AuthenticateAsync(HttpContext context)
    {
        var key = KeyOf(context.Request.Headers);
        if (key.Length == 0)
            return null;
        var (outcome, tenant) = directory.Find(key);
        if (outcome == KeyOutcome.Known)
            return tenant;
        var delay = brake.Fail(AddressOf(context.Connection));
        if (delay > TimeSpan.Zero)
            await Task.Delay(delay, time, context.RequestAborted);
        return null;
    }

    /// <summary>The key as OpenAI's and Ollama's clients send it, else as Anthropic's do.</summary>
    private static ReadOnlySpan<char> KeyOf(IHeaderDictionary headers)
    {
        var authorization = headers.Authorization.ToString();
        if (authorization.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase))
            return authorization.AsSpan(Bearer.Length).Trim();
        return headers.TryGetValue("x-api-key", out StringValues key) ? key.ToString().AsSpan().Trim() : default;
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
