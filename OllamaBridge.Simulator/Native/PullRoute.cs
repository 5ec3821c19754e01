using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator.Native;

/// <summary>POST /api/pull.</summary>
internal static class PullRoute
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(60);

    public static async Task HandleAsync(Call call)
    {
        using var body = RequestBody.Parse(call.Body);
        var name = ModelReference.ParseForPull(ModelRoutes.ModelField(body.Root));
        using var reply = new ProgressReply(call, body.Root.Flag("stream"u8) ?? true);
        await reply.StatusAsync("pulling manifest");
        if (!Registry.TryFind(call.Options, name, body.Root.Flag("insecure"u8) == true, out var model, out var error))
        {
            await reply.FailAsync(error);
            return;
        }
        using var writer = call.Store.Write();
        var stored = StoredModel.Create(name, model with { Name = name.Short }, call.Now);
        foreach (var layer in stored.Layers)
        {
            if (await FetchAsync(call, reply, layer))
                continue;
            await reply.FailAsync($"remove {call.Options.ModelFolder}/blobs/sha256-{layer.Digest}-partial-1: no such file or directory");
            return;
        }
        await reply.StatusAsync("verifying sha256 digest");
        await reply.StatusAsync("writing manifest");
        call.Store.Put(stored);
        await reply.SuccessAsync();
    }

    private static async Task<bool> FetchAsync(Call call, ProgressReply reply, ModelLayer layer)
    {
        var downloads = call.Server.Downloads;
        if (downloads.Join(layer, call.Options.PullBytesPerSecond) is not { } download)
        {
            await reply.LayerAsync("pulling", layer, layer.Size);
            return true;
        }

        try
        {
            while (download.Completed < layer.Size)
            {
                await Task.Delay(Tick, call.Time, call.Aborted);
                if (download.Completed is var completed && completed < layer.Size)
                    await reply.LayerAsync("pulling", layer, completed);
            }
            if (call.Options.PullBytesPerSecond <= 0)
                await reply.LayerAsync("pulling", layer, layer.Size);
            return downloads.Finish(download);
        }
        finally
        {
            downloads.Leave(download);
        }
    }
}
