namespace OllamaBridge.Simulator.Json;

/// <summary>The names of Ollama's request types in Go's JSON errors.</summary>
internal static class GoTypes
{
    /// <summary>The placeholder for the type's name until the path is known.</summary>
    public const string Placeholder = "\u0001";

    /// <summary>Replaces the placeholder by the name of the type of a path's requests.</summary>
    public static string Fill(string message, string path) =>
        message.Contains(Placeholder, StringComparison.Ordinal) ? message.Replace(Placeholder, Of(path), StringComparison.Ordinal) : message;

    private static string Of(string path) => path switch
    {
        "/api/generate" => "GenerateRequest",
        "/api/chat" => "ChatRequest",
        "/api/embed" => "EmbedRequest",
        "/api/embeddings" => "EmbeddingRequest",
        "/api/show" => "ShowRequest",
        "/api/pull" => "PullRequest",
        "/api/push" => "PushRequest",
        "/api/create" => "CreateRequest",
        "/api/copy" => "CopyRequest",
        "/api/delete" => "DeleteRequest",
        "/v1/chat/completions" => "ChatCompletionRequest",
        "/v1/completions" => "CompletionRequest",
        "/v1/embeddings" => "EmbedRequest",
        "/v1/responses" => "ResponsesRequest",
        "/v1/messages/count_tokens" => "CountTokensRequest",
        _ => "MessagesRequest",
    };
}
