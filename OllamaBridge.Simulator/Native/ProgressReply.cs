using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator.Native;

/// <summary>Progress of pull, push and create: one line each, or only the last one without streaming.</summary>
internal sealed class ProgressReply(Call call, bool streams) : IDisposable
{
    private readonly GoJson _json = new();

    public ValueTask StatusAsync(string status)
    {
        if (!streams)
            return ValueTask.CompletedTask;
        _json.Clear().BeginObject().Field("status"u8, status).EndObject();
        return LineAsync();
    }

    public ValueTask LayerAsync(string verb, ModelLayer layer, long completed)
    {
        if (!streams)
            return ValueTask.CompletedTask;
        _json.Clear().BeginObject()
            .Field("status"u8, $"{verb} {layer.Brief}")
            .Field("digest"u8, "sha256:" + layer.Digest)
            .Field("total"u8, layer.Size);
        if (completed > 0)
            _json.Field("completed"u8, completed);
        _json.EndObject();
        return LineAsync();
    }

    public async Task SuccessAsync()
    {
        await StatusAsync("success");
        if (streams)
            return;
        _json.Clear().BeginObject().Field("status"u8, "success").EndObject();
        await Reply.JsonAsync(call.Http, 200, _json, ContentTypes.BareJson);
    }

    /// <summary>Writes the error as the last line, because a started stream has sent status 200.</summary>
    public async Task FailAsync(string message)
    {
        _json.Clear().BeginObject().Field("error"u8, message).EndObject();
        if (streams)
            await LineAsync();
        else
            await Reply.JsonAsync(call.Http, 500, _json, ContentTypes.BareJson);
    }

    public void Dispose() => _json.Dispose();

    private ValueTask LineAsync()
    {
        Reply.Head(call.Http, 200, ContentTypes.NdJson);
        return Reply.FlushAsync(call.Http, _json.Raw("\n"u8), call.Aborted);
    }
}
