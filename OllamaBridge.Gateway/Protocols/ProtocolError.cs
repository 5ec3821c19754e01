using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Writes errors in the caller's protocol, with a real server's headers and framing.</summary>
internal static class ProtocolError
{
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Does nothing if a response has begun. <paramref name="message"/> must not contain a prompt, a response or a key.</summary>
    public static Task WriteAsync(HttpContext context, Protocol protocol, int status, string message, TimeSpan? retryAfter = null)
    {
        var response = context.Response;
        if (response.HasStarted)
            return Task.CompletedTask;
        context.Features.Set(new RefusalFeature(message));
        var body = Body(protocol, status, message, context.TraceIdentifier);
        response.StatusCode = status;
        response.ContentType = protocol == Protocol.Ollama ? "application/json; charset=utf-8" : "application/json";
        response.ContentLength = body.Length;
        if (retryAfter is { } time)
            response.Headers.RetryAfter = ((long)Math.Max(1, Math.Ceiling(time.TotalSeconds))).ToString(System.Globalization.CultureInfo.InvariantCulture);
        return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : response.Body.WriteAsync(body, context.RequestAborted).AsTask();
    }

    /// <summary>Responds with 400 to a body that can't be bound. Real servers send this error with gin's writer. No response may have begun.</summary>
    public static Task WriteBindingErrorAsync(HttpContext context, Protocol protocol, string message)
    {
        var body = Body(protocol, StatusCodes.Status400BadRequest, message, context.TraceIdentifier);
        if (protocol != Protocol.Ollama)
            body = body[..^1]; // without the newline
        context.Response.StatusCode = StatusCodes.Status400BadRequest;
        context.Response.ContentType = "application/json; charset=utf-8";
        context.Response.ContentLength = body.Length;
        return context.Response.Body.WriteAsync(body, context.RequestAborted).AsTask();
    }

    /// <param name="requestId">Anthropic's errors repeat it; null for a request that has none.</param>
    public static ReadOnlyMemory<byte> Body(Protocol protocol, int status, string message, string? requestId = null) => Write(json =>
    {
        json.WriteStartObject();
        switch (protocol)
        {
            case Protocol.Ollama:
                json.WriteString("error"u8, message);
                break;
            case Protocol.OpenAI:
                WriteOpenAI(json, status, message);
                break;
            default:
                WriteAnthropic(json, status, message);
                json.WriteString("request_id"u8, requestId ?? RequestIds.Create());
                break;
        }

        json.WriteEndObject();
    }, prefix: "", suffix: protocol == Protocol.Ollama ? "" : "\n");

    /// <summary>The last bytes of a stream that cannot be completed. <paramref name="status"/> is that of the same error before a response.</summary>
    public static ReadOnlyMemory<byte> StreamTail(StreamEnd end, string message, int status = StatusCodes.Status502BadGateway) => end switch
    {
        StreamEnd.DoneMarker => Write(json =>
        {
            json.WriteStartObject();
            WriteOpenAI(json, status, message);
            json.WriteEndObject();
        }, "data: ", "\n\n"),
        StreamEnd.ResponseEvent => Write(json =>
        {
            json.WriteStartObject();
            json.WriteString("type"u8, "error"u8);
            json.WriteString("code"u8, "server_error"u8);
            json.WriteString("message"u8, message);
            json.WriteNull("param"u8);
            json.WriteEndObject();
        }, "event: error\ndata: ", "\n\n"),
        StreamEnd.MessageStop => Write(json =>
        {
            json.WriteStartObject();
            WriteAnthropic(json, status, message);
            json.WriteEndObject();
        }, "event: error\ndata: ", "\n\n"),
        _ => Write(json =>
        {
            json.WriteStartObject();
            json.WriteString("error"u8, message);
            json.WriteEndObject();
        }, "", "\n"),
    };

    public static string UnknownModel(Operation operation, string model) => operation.Wording switch
    {
        UnknownModelWording.WithTag => $"model '{ModelName.WithTag(model)}' not found",
        UnknownModelWording.DoubleQuoted => $"model \"{model}\" not found",
        UnknownModelWording.TryPulling => $"model \"{model}\" not found, try pulling it first",
        _ => $"model '{model}' not found",
    };

    private static void WriteOpenAI(Utf8JsonWriter json, int status, string message)
    {
        json.WriteStartObject("error"u8);
        json.WriteString("message"u8, message);
        // The types that a real server uses (recordings 03) and, for the rest, OpenAI's own.
        json.WriteString("type"u8, status switch
        {
            400 or 405 or 408 or 413 or 414 or 415 or 431 => "invalid_request_error",
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            429 => "rate_limit_error",
            _ => "api_error",
        });
        json.WriteNull("param"u8);
        // OpenAI's own clients evaluate the code.
        if (status == StatusCodes.Status429TooManyRequests)
            json.WriteString("code"u8, "rate_limit_exceeded"u8);
        else
            json.WriteNull("code"u8);
        json.WriteEndObject();
    }

    private static void WriteAnthropic(Utf8JsonWriter json, int status, string message)
    {
        json.WriteString("type"u8, "error"u8);
        json.WriteStartObject("error"u8);
        json.WriteString("type"u8, status switch
        {
            400 or 405 or 408 or 414 or 415 or 431 => "invalid_request_error",
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            503 => "overloaded_error",
            504 => "timeout_error",
            _ => "api_error",
        });
        json.WriteString("message"u8, message);
        json.WriteEndObject();
    }

    private static ReadOnlyMemory<byte> Write(Action<Utf8JsonWriter> write, string prefix, string suffix)
    {
        var buffer = new ArrayBufferWriter<byte>();
        Encoding.UTF8.GetBytes(prefix.AsSpan(), buffer);
        using (var json = new Utf8JsonWriter(buffer, Plain))
            write(json);
        Encoding.UTF8.GetBytes(suffix.AsSpan(), buffer);
        return buffer.WrittenMemory;
    }
}
