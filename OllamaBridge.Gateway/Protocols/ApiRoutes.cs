namespace OllamaBridge.Gateway.Protocols;

/// <summary>Groups of routes that a server supports completely or not at all.</summary>
[Flags]
internal enum ApiRoutes
{
    None = 0,

    /// <summary>Ollama's own: everything under <c>/api</c>, and <c>/v1/models/{model}</c>, which other servers lack.</summary>
    Ollama = 1,

    /// <summary><c>/v1/chat/completions</c>, <c>/v1/completions</c>, <c>/v1/embeddings</c>.</summary>
    OpenAI = 2,

    /// <summary><c>/v1/responses</c>.</summary>
    Responses = 4,

    /// <summary><c>/v1/messages</c>.</summary>
    Messages = 8,

    /// <summary><c>/v1/audio/transcriptions</c>.</summary>
    Transcriptions = 16,

    /// <summary>All routes of an Ollama server.</summary>
    All = Ollama | OpenAI | Responses | Messages | Transcriptions,
}
