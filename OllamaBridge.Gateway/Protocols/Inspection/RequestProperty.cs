using System.Text.Json;

namespace OllamaBridge.Gateway.Protocols.Inspection;

internal enum RequestProperty
{
    Other,
    Model,
    Name,
    Source,
    From,
    Destination,
    RemoteHost,
    Stream,
    Tools,
    Files,
    Modelfile,
    Insecure,
    Format,

    Beginning,

    // The amounts that a request demands.
    Options,
    Images,
    KeepAlive,
    MaxTokens,
    MaxCompletionTokens,
    MaxOutputTokens,
}

internal static class RequestProperties
{
    public static bool Has(Operation operation, RequestProperty property) => property switch
    {
        RequestProperty.Name => operation is { Kind: not OperationKind.Inference, Protocol: Protocol.Ollama, Model: ModelSource.Body },
        RequestProperty.Source => operation.Model == ModelSource.BodySource,
        _ => operation.Model != ModelSource.BodySource,
    };

    public static RequestProperty Identify(ref Utf8JsonReader reader) =>
        GoText.Is(ref reader, "model"u8) ? RequestProperty.Model
        : GoText.Is(ref reader, "stream"u8) ? RequestProperty.Stream
        : GoText.Is(ref reader, "messages"u8) || GoText.Is(ref reader, "prompt"u8) || GoText.Is(ref reader, "system"u8)
            || GoText.Is(ref reader, "input"u8) || GoText.Is(ref reader, "instructions"u8) ? RequestProperty.Beginning
        : GoText.Is(ref reader, "tools"u8) ? RequestProperty.Tools
        : GoText.Is(ref reader, "name"u8) ? RequestProperty.Name
        : GoText.Is(ref reader, "source"u8) ? RequestProperty.Source
        : GoText.Is(ref reader, "from"u8) ? RequestProperty.From
        : GoText.Is(ref reader, "destination"u8) ? RequestProperty.Destination
        : GoText.Is(ref reader, "remote_host"u8) ? RequestProperty.RemoteHost
        : GoText.Is(ref reader, "files"u8) || GoText.Is(ref reader, "adapters"u8) ? RequestProperty.Files
        : GoText.Is(ref reader, "modelfile"u8) ? RequestProperty.Modelfile
        : GoText.Is(ref reader, "insecure"u8) ? RequestProperty.Insecure
        : GoText.Is(ref reader, "format"u8) ? RequestProperty.Format
        : GoText.Is(ref reader, "options"u8) ? RequestProperty.Options
        : GoText.Is(ref reader, "images"u8) ? RequestProperty.Images
        : GoText.Is(ref reader, "keep_alive"u8) ? RequestProperty.KeepAlive
        : GoText.Is(ref reader, "max_tokens"u8) ? RequestProperty.MaxTokens
        : GoText.Is(ref reader, "max_completion_tokens"u8) ? RequestProperty.MaxCompletionTokens
        : GoText.Is(ref reader, "max_output_tokens"u8) ? RequestProperty.MaxOutputTokens
        : RequestProperty.Other;

    /// <summary>Whether a name is written in lower case and without escapes, and does not occur a second time if that would matter.</summary>
    public static bool IsPlain(ref Utf8JsonReader reader, RequestProperty property, ref int seen)
    {
        var bit = property is RequestProperty.Model or RequestProperty.Stream or >= RequestProperty.MaxTokens ? 1 << (int)property : 0;
        var isNew = (seen & bit) == 0;
        seen |= bit;
        if (!isNew || reader.ValueIsEscaped)
            return false;
        if (!reader.HasValueSequence)
            return !reader.ValueSpan.ContainsAnyInRange((byte)'A', (byte)'Z');
        foreach (var segment in reader.ValueSequence)
            if (segment.Span.ContainsAnyInRange((byte)'A', (byte)'Z'))
                return false;
        return true;
    }
}
