using System.Reflection;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Admin;

/// <summary>Refuses changes with unknown query parameters or an unexpected body: a misspelt <c>expires</c> would make a key that never expires.</summary>
internal static class StrictRequests
{
    public static IResult? FindMistake(HttpContext context)
    {
        if (HttpMethods.IsGet(context.Request.Method) || context.GetEndpoint() is not RouteEndpoint endpoint
            || endpoint.Metadata.GetMetadata<MethodInfo>() is not { } handler)
            return null;
        var parameters = handler.GetParameters();
        string[] known = [.. parameters.Where(p => IsText(p.ParameterType) && endpoint.RoutePattern.GetParameter(p.Name!) is null).Select(p => p.Name!)];
        string[] mistakes =
        [
            .. context.Request.Query.Keys.Where(k => !known.Contains(k, StringComparer.OrdinalIgnoreCase)).Select(k => NearestName.Of(k, known) is { } nearest
                ? $"There is no query parameter {SettingText.Quote(k)}. The nearest one is '{nearest}'."
                : $"There is no query parameter {SettingText.Quote(k)}."),
            .. HasBody(context.Request) && endpoint.Metadata.GetMetadata<RequestBodyMetadata>() is null
                ? (string[])[$"This request must not have a body.{(known.Length > 0 ? $" Send {string.Join(", ", known)} as a query parameter." : "")}"]
                : [],
        ];
        return mistakes.Length == 0 ? null : TypedResults.Problem(string.Join(' ', mistakes), statusCode: StatusCodes.Status400BadRequest);
    }

    private static bool HasBody(HttpRequest request) => request.ContentLength > 0 || request.Headers.TransferEncoding.Count > 0;

    // Services and the request itself are not query parameters.
    private static bool IsText(Type type) =>
        (Nullable.GetUnderlyingType(type) ?? type) is { } plain && (plain == typeof(string) || (plain.IsValueType && plain != typeof(CancellationToken)));
}
