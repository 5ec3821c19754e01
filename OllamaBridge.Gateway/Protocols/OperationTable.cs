using System.Collections.Frozen;
using static OllamaBridge.Gateway.Protocols.OperationKind;
using static OllamaBridge.Gateway.Protocols.Protocol;

namespace OllamaBridge.Gateway.Protocols;

/// <summary>All routes of Ollama's <c>server/routes.go</c> (0.32.15). Paths are compared exactly, as there.</summary>
internal static class OperationTable
{
    public const string ModelPrefix = "/v1/models/";

    private static readonly string[] Get = ["GET"];
    private static readonly string[] Post = ["POST"];
    private static readonly string[] HeadGet = ["HEAD", "GET"];

    private static readonly Operation Version = new(OperationType.Version, Ollama, Inventory) { Methods = HeadGet };
    private static readonly Operation Root = new(OperationType.Root, Ollama, Inventory) { Methods = HeadGet };
    private static readonly Operation Account = new(OperationType.Account, Ollama, Refused) { Methods = ["POST", "DELETE", "GET", "HEAD"] };
    private static readonly Operation Model = new(OperationType.Model, OpenAI, Lookup)
    { Methods = Get, Model = ModelSource.Path, Wording = UnknownModelWording.WithTag, Route = ApiRoutes.Ollama };
    private static readonly Operation Blob = new(OperationType.Blob, Ollama, Management)
    { Methods = ["HEAD", "POST"], NeedsModel = false, UnbufferedBody = true };

    private static readonly FrozenDictionary<string, Operation> Exact = new Dictionary<string, Operation>
    {
        ["/"] = Root,
        ["/api/version"] = Version,
        ["/api/status"] = new(OperationType.Status, Ollama, Lookup) { Methods = Get, NeedsModel = false },
        ["/api/tags"] = new(OperationType.Tags, Ollama, Inventory) { Methods = HeadGet },
        ["/api/ps"] = new(OperationType.Ps, Ollama, Inventory) { Methods = Get },
        ["/api/show"] = new(OperationType.Show, Ollama, Lookup)
        { Methods = Post, Model = ModelSource.Body, Wording = UnknownModelWording.WithTag, GoType = "ShowRequest" },

        ["/api/generate"] = new(OperationType.Generate, Ollama, Inference)
        { Methods = Post, Model = ModelSource.Body, End = StreamEnd.Done, StreamsByDefault = true, GoType = "GenerateRequest" },
        ["/api/chat"] = new(OperationType.Chat, Ollama, Inference)
        { Methods = Post, Model = ModelSource.Body, End = StreamEnd.Done, StreamsByDefault = true, GoType = "ChatRequest" },
        ["/api/embed"] = new(OperationType.Embed, Ollama, Inference)
        { Methods = Post, Model = ModelSource.Body, Wording = UnknownModelWording.TryPulling, GoType = "EmbedRequest" },
        ["/api/embeddings"] = new(OperationType.Embeddings, Ollama, Inference)
        { Methods = Post, Model = ModelSource.Body, Wording = UnknownModelWording.TryPulling, GoType = "EmbeddingRequest" },

        ["/api/pull"] = new(OperationType.Pull, Ollama, Management)
        { Methods = Post, Naming = ModelNaming.Pull, Model = ModelSource.Body, NeedsModel = false, End = StreamEnd.Success, StreamsByDefault = true, GoType = "PullRequest" },
        ["/api/push"] = new(OperationType.Push, Ollama, Management)
        { Methods = Post, Naming = ModelNaming.Verbatim, Model = ModelSource.Body, NeedsModel = false, End = StreamEnd.Success, StreamsByDefault = true, GoType = "PushRequest" },
        ["/api/create"] = new(OperationType.Create, Ollama, Management)
        { Methods = Post, Naming = ModelNaming.Verbatim, Model = ModelSource.Body, NeedsModel = false, End = StreamEnd.Success, StreamsByDefault = true, GoType = "CreateRequest" },
        ["/api/copy"] = new(OperationType.Copy, Ollama, Management)
        { Methods = Post, Naming = ModelNaming.Verbatim, Model = ModelSource.BodySource, Wording = UnknownModelWording.DoubleQuoted, GoType = "CopyRequest" },
        ["/api/delete"] = new(OperationType.Delete, Ollama, Management)
        { Methods = ["DELETE"], Naming = ModelNaming.Pull, Model = ModelSource.Body, GoType = "DeleteRequest" },

        ["/api/me"] = Account,
        ["/api/signout"] = Account,
        ["/api/experimental/web_search"] = Account,
        ["/api/experimental/web_fetch"] = Account,
        ["/api/experimental/model-recommendations"] = Account,

        ["/v1/models"] = new(OperationType.Models, OpenAI, Inventory) { Methods = Get },
        ["/v1/chat/completions"] = new(OperationType.Chat, OpenAI, Inference)
        { Methods = Post, Model = ModelSource.Body, End = StreamEnd.DoneMarker, GoType = "ChatCompletionRequest" },
        ["/v1/completions"] = new(OperationType.TextCompletion, OpenAI, Inference)
        { Methods = Post, Model = ModelSource.Body, End = StreamEnd.DoneMarker, GoType = "CompletionRequest" },
        ["/v1/embeddings"] = new(OperationType.Embeddings, OpenAI, Inference)
        { Methods = Post, Model = ModelSource.Body, Wording = UnknownModelWording.TryPulling, GoType = "EmbedRequest" },
        ["/v1/responses"] = new(OperationType.Responses, OpenAI, Inference)
        { Methods = Post, Model = ModelSource.Body, End = StreamEnd.ResponseEvent, GoType = "ResponsesRequest", Route = ApiRoutes.Responses, Encodings = ["zstd"] },
        ["/v1/audio/transcriptions"] = new(OperationType.Transcription, OpenAI, Inference)
        { Methods = Post, Model = ModelSource.Form, End = StreamEnd.DoneMarker, Route = ApiRoutes.Transcriptions },
        ["/v1/messages/count_tokens"] = new(OperationType.CountTokens, Anthropic, Lookup)
        { Methods = Post, Model = ModelSource.Body, GoType = "CountTokensRequest" },
        ["/v1/messages"] = new(OperationType.Messages, Anthropic, Inference)
        { Methods = Post, Model = ModelSource.Body, End = StreamEnd.MessageStop, GoType = "MessagesRequest" },
    }.ToFrozenDictionary(StringComparer.Ordinal);

    private static readonly (string Prefix, Operation Operation)[] Prefixes =
    [
        ("/api/blobs/", Blob),
        (ModelPrefix, Model),
        ("/api/user/keys/", Account),
        ("/api/experimental/", Account),
    ];

    /// <returns>Null if a server has no such route. <paramref name="rest"/> is the name at the end of the route; empty if it has none.</returns>
    public static Operation? Find(string path, out string rest)
    {
        rest = "";
        if (Exact.TryGetValue(path, out var operation))
            return operation;
        foreach (var (prefix, named) in Prefixes)
            // A name is one segment; a model's name may have more if the model is not Ollama's.
            if (path.Length > prefix.Length && path.StartsWith(prefix, StringComparison.Ordinal)
                && (path.IndexOf('/', prefix.Length) < 0 || (named == Model && HasNoEmptySegment(path))))
            {
                rest = path[prefix.Length..];
                return named;
            }

        return null;
    }

    private static bool HasNoEmptySegment(string path) => !path.EndsWith('/') && !path.Contains("//", StringComparison.Ordinal);

    /// <summary>The path to which Ollama's router redirects a path with doubled or trailing slashes; null if there is none.</summary>
    public static string? Correct(string path)
    {
        if (path.Length < 2)
            return null;
        var clean = "/" + string.Join('/', path.Split('/', StringSplitOptions.RemoveEmptyEntries));
        return clean != path && Find(clean, out _) is not null ? clean : null;
    }

    public static Protocol ProtocolOf(string path) =>
        path.StartsWith("/v1/messages", StringComparison.Ordinal) ? Anthropic
        : path.StartsWith("/v1/", StringComparison.Ordinal) ? OpenAI
        : Ollama;
}
