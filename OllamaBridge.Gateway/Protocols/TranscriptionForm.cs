using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>Reads the model as Go's <c>FormValue</c> does: the query's value first, else the first of several. A request that names two models is rejected, so
/// that the bridge and the instance read the same one.</summary>
internal static class TranscriptionForm
{
    // Ollama's message (middleware/openai.go, TranscriptionMiddleware), followed by that of Go's mime/multipart.
    private const string BadForm = "failed to parse multipart form: ";
    private const string Model = "model";

    public static async Task<RequestFacts> ReadAsync(HttpRequest request, ReplayableBody body, CancellationToken cancellationToken)
    {
        if (!MediaTypeHeaderValue.TryParse(request.ContentType, out var type)
            || !type.MediaType.Equals("multipart/form-data", StringComparison.OrdinalIgnoreCase))
            return new RequestFacts { Fault = BadForm + "request Content-Type isn't multipart/form-data" };
        if (HeaderUtilities.RemoveQuotes(type.Boundary).ToString() is not { Length: > 0 } boundary)
            return new RequestFacts { Fault = BadForm + "no multipart boundary param in Content-Type" };
        var named = request.Query[Model].OfType<string>().ToList();
        var isInQuery = named.Count > 0;
        bool? stream = null;
        try
        {
            await using var bytes = body.OpenRead();
            var reader = new MultipartReader(boundary, bytes) { BodyLengthLimit = null };
            while (await reader.ReadNextSectionAsync(cancellationToken) is { } section)
            {
                if (section.GetContentDispositionHeader() is not { } disposition)
                    continue;
                // Go supports the encoding of names in RFC 2231, this reader does not.
                if (disposition.Parameters.Any(p => p.Name.StartsWith("name*", StringComparison.OrdinalIgnoreCase)))
                    return new RequestFacts { Fault = BadForm + "the name of a field is encoded (RFC 2231)" };
                if (section.AsFormDataSection() is not { } field || disposition is not { FileName.Length: 0 })
                    continue;
                if (field.Name == Model)
                    named.Add(await field.GetValueAsync(cancellationToken));
                else if (field.Name == "stream")
                    stream = await field.GetValueAsync(cancellationToken) == "true";
            }
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            return new RequestFacts { Fault = BadForm + "multipart: NextPart: EOF" };
        }

        if (named.Distinct(StringComparer.Ordinal).Skip(1).Any())
            return new RequestFacts { Fault = "the request names more than one model" };
        // The server checks the model before the file.
        return named is [] or ["", ..]
            ? new RequestFacts { Fault = "model is required" }
            : new RequestFacts { Model = named[0], Stream = stream, IsPlain = named.Count == 1 && !isInQuery };
    }
}
