using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator.Native;

/// <summary>POST /api/push. A push to the public registry is rejected without an account; one to another host succeeds.</summary>
internal static class PushRoute
{
    public static async Task HandleAsync(Call call)
    {
        using var body = RequestBody.Parse(call.Body);
        var asked = ModelRoutes.ModelField(body.Root);
        if (asked.Length == 0)
            throw new ApiError(400, "model is required");
        if (!ModelName.TryParse(asked, out var name))
            throw new ApiError(400, "invalid model name");
        using var reply = new ProgressReply(call, body.Root.Flag("stream"u8) ?? true);
        await reply.StatusAsync("retrieving manifest");
        if (call.Store.Get(name.Short) is not { } stored)
        {
            await reply.StatusAsync("couldn't retrieve manifest");
            await reply.FailAsync($"open {call.Options.ModelFolder}/manifests/{name.Host}/{name.Namespace}/{name.Model}/{name.Tag}: no such file or directory");
            return;
        }
        if (name.Host == ModelName.DefaultHost)
        {
            await reply.FailAsync("you are not authorized to push to this namespace, create the model under a namespace you own");
            return;
        }
        foreach (var layer in stored.Layers)
            await reply.LayerAsync("pushing", layer, layer.Size);
        await reply.StatusAsync("pushing manifest");
        await reply.SuccessAsync();
    }
}
