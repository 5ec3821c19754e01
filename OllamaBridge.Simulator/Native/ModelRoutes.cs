using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator.Native;

/// <summary>Routes that list, copy and delete models.</summary>
internal static class ModelRoutes
{
    public static async Task TagsAsync(Call call)
    {
        if (call.IsHead)
        {
            Reply.Head(call.Http, 200, ContentTypes.Json);
            return;
        }
        using var json = new GoJson();
        json.BeginObject().Name("models"u8).BeginArray();
        foreach (var stored in call.Store.List())
        {
            json.BeginObject()
                .Field("name"u8, stored.ShortName)
                .Field("model"u8, stored.ShortName);
            if (stored.Model.RemoteHost is { } remote)
                json.Field("remote_model"u8, stored.ShortName).Field("remote_host"u8, remote);
            json.Field("modified_at"u8, stored.ModifiedAt)
                .Field("size"u8, stored.Model.SizeBytes)
                .Field("digest"u8, stored.Digest);
            ModelJson.Details(json, stored.Model, withLengths: true);
            json.Strings("capabilities"u8, stored.Model.ListedCapabilities ?? stored.Model.Capabilities).EndObject();
        }
        await Reply.JsonAsync(call.Http, 200, json.EndArray().EndObject());
    }

    public static async Task PsAsync(Call call)
    {
        await call.Memory.ListIsFreeAsync(call.Aborted);
        using var json = new GoJson();
        json.BeginObject().Name("models"u8).BeginArray();
        foreach (var (stored, size, context, expiresAt) in call.Memory.List())
        {
            json.BeginObject()
                .Field("name"u8, stored.ShortName)
                .Field("model"u8, stored.ShortName)
                .Field("size"u8, size)
                .Field("digest"u8, stored.Digest);
            ModelJson.Details(json, stored.Model, withLengths: false);
            json.Field("expires_at"u8, expiresAt)
                .Field("size_vram"u8, call.Options.OnGpu && !call.Server.Faults.IsOnCpu(stored.ShortName) ? size : 0)
                .Field("context_length"u8, context)
                .EndObject();
        }
        await Reply.JsonAsync(call.Http, 200, json.EndArray().EndObject());
    }

    public static async Task CopyAsync(Call call)
    {
        using var body = RequestBody.Parse(call.Body);
        var (source, destination) = (body.Root.Text("source"u8), body.Root.Text("destination"u8));
        if (!ModelName.TryParse(source, out var from))
            throw new ApiError(400, $"source \"{source}\" is invalid");
        if (!ModelName.TryParse(destination, out var to))
            throw new ApiError(400, $"destination \"{destination}\" is invalid");
        var stored = call.Store.Get(from.Short) ?? throw new ApiError(404, $"model \"{source}\" not found");
        using (call.Store.Write())
            call.Store.Put(stored.As(to, call.Now));
        await Reply.EmptyAsync(call.Http, 200);
    }

    public static async Task DeleteAsync(Call call)
    {
        using var body = RequestBody.Parse(call.Body);
        var asked = ModelField(body.Root);
        var name = ParseForDelete(asked);
        using (call.Store.Write())
        {
            if (!call.Store.Remove(name.Short))
                throw new ApiError(404, $"model '{asked}' not found");
        }
        await Reply.EmptyAsync(call.Http, 200);
    }

    private static ModelName ParseForDelete(string asked)
    {
        try
        {
            return ModelReference.ParseForPull(asked);
        }
        catch (ApiError e) when (e.Message == "invalid model name")
        {
            throw new ApiError(400, $"name \"{asked}\" is invalid");
        }
    }

    /// <summary>The field "model", or "name" of older clients.</summary>
    public static string ModelField(System.Text.Json.JsonElement body) =>
        body.Text("model"u8) is { Length: > 0 } model ? model : body.Text("name"u8);
}
