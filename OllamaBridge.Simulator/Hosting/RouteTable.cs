using System.Collections.Frozen;
using OllamaBridge.Simulator.Anthropic;
using OllamaBridge.Simulator.Native;
using OllamaBridge.Simulator.OpenAi;

namespace OllamaBridge.Simulator.Hosting;

/// <summary>All routes of an Ollama server.</summary>
internal static class RouteTable
{
    private static readonly Route[] All =
    [
        new("/") { Get = GeneralRoutes.RootAsync, Head = true },
        new("/api/version") { Get = GeneralRoutes.VersionAsync, Head = true },
        new("/api/status") { Get = GeneralRoutes.StatusAsync },
        new("/api/tags") { Get = ModelRoutes.TagsAsync, Head = true },
        new("/api/ps") { Get = ModelRoutes.PsAsync },
        new("/api/show") { Post = ShowRoute.HandleAsync },
        new("/api/generate") { Post = GenerateRoute.HandleAsync, Inference = true },
        new("/api/chat") { Post = ChatRoute.HandleAsync, Inference = true },
        new("/api/embed") { Post = EmbedRoute.HandleAsync, Inference = true },
        new("/api/embeddings") { Post = EmbedRoute.HandleLegacyAsync, Inference = true },
        new("/api/pull") { Post = PullRoute.HandleAsync },
        new("/api/push") { Post = PushRoute.HandleAsync },
        new("/api/create") { Post = CreateRoute.HandleAsync },
        new("/api/copy") { Post = ModelRoutes.CopyAsync },
        new("/api/delete") { Delete = ModelRoutes.DeleteAsync },
        new("/api/blobs/") { Post = BlobRoute.HandleAsync, Head = true, Upload = true },
        new("/api/me") { Post = GeneralRoutes.UnauthorizedAsync },
        new("/api/signout") { Post = GeneralRoutes.UnauthorizedAsync },
        new("/api/user/keys/") { Delete = GeneralRoutes.UnauthorizedAsync },
        new("/api/experimental/web_search") { Post = GeneralRoutes.CloudDisabledAsync },
        new("/api/experimental/web_fetch") { Post = GeneralRoutes.CloudDisabledAsync },
        new("/api/experimental/model-recommendations") { Get = GeneralRoutes.CloudDisabledAsync },
        new("/v1/chat/completions") { Post = ChatCompletionsRoute.HandleAsync, Inference = true },
        new("/v1/completions") { Post = CompletionsRoute.HandleAsync, Inference = true },
        new("/v1/embeddings") { Post = OpenAiEmbeddingsRoute.HandleAsync, Inference = true },
        new("/v1/models") { Get = OpenAiModelsRoute.ListAsync },
        new("/v1/models/") { Get = OpenAiModelsRoute.OneAsync },
        new("/v1/responses") { Post = ResponsesRoute.HandleAsync, Inference = true },
        new("/v1/audio/transcriptions") { Post = TranscriptionsRoute.HandleAsync, Inference = true, Upload = true },
        new("/v1/messages/count_tokens") { Post = CountTokensRoute.HandleAsync },
        new("/v1/messages") { Post = MessagesRoute.HandleAsync, Inference = true },
    ];

    private static readonly FrozenDictionary<string, Route> Exact = All.ToFrozenDictionary(r => r.Path);
    private static readonly Route[] Prefixes = [.. All.Where(r => r.Path.Length > 1 && r.Path.EndsWith('/'))];

    public static Route? Find(string path, out string tail)
    {
        tail = "";
        if (Exact.TryGetValue(path, out var exact) && !(path.Length > 1 && path.EndsWith('/')))
            return exact;
        foreach (var route in Prefixes)
        {
            // A parameter is one path segment.
            if (path.Length > route.Path.Length && path.StartsWith(route.Path, StringComparison.Ordinal) && path.IndexOf('/', route.Path.Length) < 0)
            {
                tail = path[route.Path.Length..];
                return route;
            }
        }
        return null;
    }
}
