using System.Text.Json;
using OllamaBridge.Simulator.Hosting;
using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator.Native;

/// <summary>POST /api/create: from another model, or from an uploaded file.</summary>
internal static class CreateRoute
{
    private const string Sha = "sha256:";

    public static async Task HandleAsync(Call call)
    {
        using var body = RequestBody.Parse(call.Body);
        var root = body.Root;
        if (!ModelName.TryParse(ModelRoutes.ModelField(root), out var name))
            throw new ApiError(400, "invalid model name");
        var from = root.Text("from"u8);
        var hasFiles = GoFields.TryGet(root, "files"u8, out var files) && files.ValueKind == JsonValueKind.Object;
        if (from.Length == 0 && !hasFiles)
            throw new ApiError(400, "neither 'from' or 'files' was specified");
        using var reply = new ProgressReply(call, root.Flag("stream"u8) ?? true);
        using var writer = call.Store.Write();
        var made = from.Length > 0 ? await FromModelAsync(call, reply, name, from, root) : await FromFilesAsync(call, reply, name, files, root);
        if (made is null)
            return;
        foreach (var layer in made.Layers.SkipLast(1))
            await reply.StatusAsync($"{(call.Store.Blobs.Contains(layer.Digest) ? "using existing" : "creating new")} layer sha256:{layer.Digest}");
        await reply.StatusAsync("writing manifest");
        call.Store.Put(made);
        await reply.SuccessAsync();
    }

    private static async Task<StoredModel?> FromModelAsync(Call call, ProgressReply reply, ModelName name, string from, JsonElement root)
    {
        var reference = ModelReference.Parse(from, new ApiError(400, "invalid model name"));
        if (reference.IsCloud)
            throw new ApiError(403, "ollama cloud is disabled: remote model is unavailable");
        var source = reference.Name;
        if (call.Store.Get(source.Short) is { } parent)
            return StoredModel.Create(name, Changed(parent.Model, root) with { Name = name.Short }, call.Now, parent.Layers[0].Digest);
        Registry.TryFind(call.Options, source, insecure: false, out _, out var error);
        await reply.FailAsync(error.Length > 0 ? error : $"model '{from}' not found");
        return null;
    }

    private static async Task<StoredModel?> FromFilesAsync(Call call, ProgressReply reply, ModelName name, JsonElement files, JsonElement root)
    {
        string? weights = null;
        long size = 0;
        foreach (var file in files.EnumerateObject())
        {
            var digest = file.Value.GetString() ?? "";
            var blob = digest.StartsWith(Sha, StringComparison.Ordinal) ? call.Store.Blobs.Find(digest[Sha.Length..]) : null;
            if (blob is null)
                throw new ApiError(400, $"stat {call.Options.ModelFolder}/blobs/{digest.Replace(':', '-')}: no such file or directory");
            await reply.StatusAsync("parsing GGUF");
            if (!blob.IsGguf)
            {
                await reply.FailAsync("supplied file was not in GGUF format");
                return null;
            }
            weights ??= digest[Sha.Length..];
            size += blob.Size;
        }
        await reply.StatusAsync("verifying conversion");
        var plain = new SimulatedModel { Name = name.Short, SizeBytes = size, Template = ChatTemplate.Bare };
        return StoredModel.Create(name, Changed(plain, root), call.Now, weights);
    }

    private static SimulatedModel Changed(SimulatedModel model, JsonElement root)
    {
        var (system, template) = (root.Text("system"u8), root.Text("template"u8));
        if (system.Length > 0)
            model = model with { System = system };
        if (GoFields.TryGet(root, "parameters"u8, out var parameters))
            model = model with { Parameters = parameters.GetRawText() };
        return template.Length == 0 ? model : model with { TemplateText = template, Template = TemplateTexts.Classify(template) };
    }
}
