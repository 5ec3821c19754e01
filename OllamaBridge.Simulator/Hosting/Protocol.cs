using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator.Hosting;

/// <summary>The error format of a path's protocol.</summary>
internal static class Protocol
{
    public static bool IsAnthropic(string path) => path.StartsWith("/v1/messages", StringComparison.Ordinal);

    public static bool IsOpenAi(string path) => path.StartsWith("/v1/", StringComparison.Ordinal) && !IsAnthropic(path);

    public static async Task FailAsync(Call call, ApiError error)
    {
        using var json = new GoJson();
        if (IsAnthropic(call.Path))
        {
            WriteAnthropic(json, error);
            if (!error.EarlyOnV1)
                json.Raw("\n"u8);
            await Reply.JsonAsync(call.Http, error.Status, json, error.EarlyOnV1 ? ContentTypes.Json : ContentTypes.BareJson);
        }
        else if (IsOpenAi(call.Path))
        {
            WriteOpenAi(json, error);
            if (!error.EarlyOnV1)
                json.Raw("\n"u8);
            await Reply.JsonAsync(call.Http, error.Status, json, error.EarlyOnV1 ? ContentTypes.Json : ContentTypes.BareJson);
        }
        else if (error.WhereStreamBegins)
        {
            Reply.Head(call.Http, error.Status, ContentTypes.BareJson);
            await Reply.FlushAsync(call.Http, WriteNative(json, error), call.Aborted);
        }
        else
        {
            await Reply.JsonAsync(call.Http, error.Status, WriteNative(json, error));
        }
    }

    public static GoJson WriteNative(GoJson json, ApiError error) => json.BeginObject().Field("error"u8, error.Message).EndObject();

    private static void WriteOpenAi(GoJson json, ApiError error) => json.BeginObject().Name("error"u8).BeginObject()
        .Field("message"u8, error.Message)
        .Field("type"u8, error.Status switch { 400 => "invalid_request_error", 404 => "not_found_error", _ => "api_error" })
        .Name("param"u8).Null()
        .Name("code"u8).Null()
        .EndObject().EndObject();

    private static void WriteAnthropic(GoJson json, ApiError error) => json.BeginObject()
        .Field("type"u8, "error")
        .Name("error"u8).BeginObject()
        .Field("type"u8, error.Status switch
        {
            400 => "invalid_request_error",
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            429 => "rate_limit_error",
            503 or 529 => "overloaded_error",
            _ => "api_error",
        })
        .Field("message"u8, error.Message)
        .EndObject()
        .Field("request_id"u8, "req_" + Ids.Hex())
        .EndObject();
}
