using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Tests.Protocols;

public class OperationTableTests
{
    [Theory]
    [InlineData("/", "root", "Inventory", "HEAD, GET")]
    [InlineData("/api/version", "version", "Inventory", "HEAD, GET")]
    [InlineData("/api/status", "status", "Lookup", "GET")]
    [InlineData("/api/tags", "tags", "Inventory", "HEAD, GET")] // 04-err-tags-wrong-method-post
    [InlineData("/api/ps", "ps", "Inventory", "GET")]
    [InlineData("/api/show", "show", "Lookup", "POST")]
    [InlineData("/api/generate", "generate", "Inference", "POST")] // 04-err-generate-wrong-method-get
    [InlineData("/api/chat", "chat", "Inference", "POST")] // 04-err-chat-wrong-method-put
    [InlineData("/api/embed", "embed", "Inference", "POST")]
    [InlineData("/api/embeddings", "embeddings", "Inference", "POST")]
    [InlineData("/api/pull", "pull", "Management", "POST")]
    [InlineData("/api/push", "push", "Management", "POST")]
    [InlineData("/api/create", "create", "Management", "POST")]
    [InlineData("/api/copy", "copy", "Management", "POST")]
    [InlineData("/api/delete", "delete", "Management", "DELETE")]
    [InlineData("/api/blobs/sha256:0123", "blob", "Management", "HEAD, POST")]
    [InlineData("/v1/chat/completions", "chat", "Inference", "POST")] // 04-err-v1-chat-wrong-method-get
    [InlineData("/v1/completions", "text_completion", "Inference", "POST")]
    [InlineData("/v1/embeddings", "embeddings", "Inference", "POST")]
    [InlineData("/v1/responses", "responses", "Inference", "POST")]
    [InlineData("/v1/audio/transcriptions", "transcription", "Inference", "POST")]
    [InlineData("/v1/models", "models", "Inventory", "GET")]
    [InlineData("/v1/models/tiny", "model", "Lookup", "GET")]
    [InlineData("/v1/messages", "messages", "Inference", "POST")]
    public void Find_Route_ReturnsKindAndAllow(string path, string name, string kind, string allow)
    {
        var operation = OperationTable.Find(path, out _);
        Assert.NotNull(operation);
        Assert.Equal((name, kind, allow), (operation.Name, operation.Kind.ToString(), string.Join(", ", operation.Methods)));
    }

    [Theory]
    [InlineData("/api/me")]
    [InlineData("/api/signout")]
    [InlineData("/api/user/keys/abc")]
    [InlineData("/api/experimental/web_search")]
    [InlineData("/api/experimental/web_fetch")]
    [InlineData("/api/experimental/model-recommendations")]
    [InlineData("/api/experimental/whatever-comes-next")]
    public void Find_ServerOwnersRoute_Refused(string path) => Assert.Equal(OperationKind.Refused, OperationTable.Find(path, out _)!.Kind);

    [Theory]
    [InlineData("/api/blobs/sha256:0123", "sha256:0123")]
    [InlineData("/v1/models/x:1", "x:1")]
    [InlineData("/v1/models/me/x:1", "me/x:1")] // the ids of other servers contain slashes
    [InlineData("/v1/models/me//x:1", "")]
    [InlineData("/v1/models/me/", "")]
    [InlineData("/api/blobs/a/b", "")] // one segment, as in Ollama's router
    [InlineData("/api/chat", "")]
    public void Find_RestOfPath_IsModelName(string path, string rest)
    {
        OperationTable.Find(path, out var found);
        Assert.Equal(rest, found);
    }

    [Theory]
    [InlineData("/api/nothing")] // 04-err-unknown-path
    [InlineData("/API/tags")]
    [InlineData("/api/tags/")]
    [InlineData("//api/tags")]
    [InlineData("/api/blobs/")]
    [InlineData("/api/blobs")]
    [InlineData("/v1/models/")]
    [InlineData("/api")]
    [InlineData("/v1")]
    [InlineData("")]
    [InlineData("/api/chat/completions")]
    [InlineData("/metrics")]
    public void Find_UnknownRoute_Null(string path) => Assert.Null(OperationTable.Find(path, out _));

    [Theory]
    [InlineData("//api/tags", "/api/tags")] // 04-err-double-slash-path
    [InlineData("/api/tags/", "/api/tags")]
    [InlineData("/api//chat", "/api/chat")]
    [InlineData("/v1/models/", "/v1/models")]
    [InlineData("/api/tags", null)]
    [InlineData("/api/nothing/", null)]
    [InlineData("/", null)]
    [InlineData("", null)]
    public void Correct_UncleanPath_RedirectTarget(string path, string? expected) => Assert.Equal(expected, OperationTable.Correct(path));

    [Theory]
    [InlineData("/v1/messages", "Anthropic")]
    [InlineData("/v1/other", "OpenAI")]
    [InlineData("/api/chat", "Ollama")]
    [InlineData("/", "Ollama")]
    public void ProtocolOf_Path_ReturnsProtocol(string path, string protocol) => Assert.Equal(protocol, OperationTable.ProtocolOf(path).ToString());

    [Theory]
    [InlineData("/api/chat", "Done", true)]
    [InlineData("/api/generate", "Done", true)]
    [InlineData("/api/embed", "None", false)]
    [InlineData("/api/pull", "Success", true)]
    [InlineData("/v1/chat/completions", "DoneMarker", false)]
    [InlineData("/v1/completions", "DoneMarker", false)]
    [InlineData("/v1/responses", "ResponseEvent", false)]
    [InlineData("/v1/messages", "MessageStop", false)]
    public void Find_Streaming_EndAndDefault(string path, string end, bool byDefault)
    {
        var operation = OperationTable.Find(path, out _)!;
        Assert.Equal((end, byDefault), (operation.End.ToString(), operation.StreamsByDefault));
    }
}
