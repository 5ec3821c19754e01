namespace OllamaBridge.Gateway.Protocols;

/// <summary>Groups of routes that a server supports completely or not at all.</summary>
[Flags]
internal enum ApiRoutes
{
    None = 0,

    /// <summary>Ollama's own: everything under <c>/api</c>, and <c>/v1/models/{model}</c>, which other servers lack.</summary>
    Ollama = 1,

    OpenAI = 2,

    Responses = 4,

    Messages = 8,

    Transcriptions = 16,

    All = Ollama | OpenAI | Responses | Messages | Transcriptions,
}
