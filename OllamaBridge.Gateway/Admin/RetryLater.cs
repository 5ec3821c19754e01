using System.Globalization;
using OllamaBridge.Gateway.Identity;

namespace OllamaBridge.Gateway.Admin;

/// <summary>503 for what another time may do: a problem, and when to come back.</summary>
/// <param name="detail">What cannot be done.</param>
internal sealed class RetryLater(string detail) : IResult
{
    /// <inheritdoc/>
    public Task ExecuteAsync(HttpContext httpContext)
    {
        httpContext.Response.Headers.RetryAfter = IdentityStage.Retry.TotalSeconds.ToString(CultureInfo.InvariantCulture);
        return TypedResults.Problem(detail, statusCode: StatusCodes.Status503ServiceUnavailable).ExecuteAsync(httpContext);
    }
}
