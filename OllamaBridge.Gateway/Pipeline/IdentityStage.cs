using Microsoft.AspNetCore.Http.Features;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Authenticates a request by its key or source network, and checks the scopes of its tenant.</summary>
internal sealed class IdentityStage(RequestAuthenticator authenticator) : IRequestStage
{
    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var operation = context.Features.GetRequiredFeature<OperationFeature>().Operation;
        Tenant tenant;
        if (operation.Kind != OperationKind.Refused && !IsOpen(operation) && authenticator.WantsKey(context.Request.Headers))
        {
            var result = await authenticator.AuthenticateAsync(context);
            if (result.Outcome != KeyOutcome.Known)
            {
                await RefuseAsync(context, operation.Protocol, result);
                return;
            }

            tenant = result.Tenant;
        }
        else
        {
            tenant = authenticator.TenantWithoutKey(context);
        }

        context.Features.Set(new TenantFeature(tenant));
        var needed = operation.Kind == OperationKind.Management ? Scopes.Management : Scopes.Inference;
        if (tenant.Scopes.HasFlag(needed) || IsOpen(operation))
            await next(context);
        else
            await ProtocolError.WriteAsync(context, operation.Protocol, StatusCodes.Status403Forbidden, needed == Scopes.Inference
                ? "this API key lacks the Inference scope"
                : authenticator.KeysRequired ? "this API key lacks the Management scope" : "models may be changed from the bridge's own machine only");
    }

    private static Task RefuseAsync(HttpContext context, Protocol protocol, in Authentication result)
    {
        if (result.Outcome == KeyOutcome.Unchecked)
            return ProtocolError.WriteAsync(
                context, protocol, StatusCodes.Status503ServiceUnavailable, "API keys cannot be checked at the moment", RequestAuthenticator.Retry);
        context.Response.Headers.WWWAuthenticate = "Bearer";
        return ProtocolError.WriteAsync(context, protocol, StatusCodes.Status401Unauthorized, $"a valid API key is required: {result.Reason}");
    }

    /// <summary>Whether an operation needs no key: clients check liveness and version before they have one.</summary>
    private static bool IsOpen(Operation operation) => operation.Type is OperationType.Root or OperationType.Version;
}
