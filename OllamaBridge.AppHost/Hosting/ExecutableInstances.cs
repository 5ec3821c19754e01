namespace OllamaBridge.Hosting;

/// <summary><c>ollama serve</c> from PATH, several servers over the user's own model folder.</summary>
internal sealed class ExecutableInstances : IInstanceBackend
{
    /// <inheritdoc/>
    public bool PullsModels => true;

    /// <inheritdoc/>
    public BridgeInstance Add(IResourceBuilder<OllamaBridgeResource> bridge, InstanceTier tier, string name, int index)
    {
        var builder = bridge.ApplicationBuilder;
        var gpus = new Lazy<GpuPlan>(() => Choices.Gpus(tier.Gpus, publish: false, bridge.Resource.Host).Value);
        var temporary = Path.Combine(Path.GetTempPath(), "ollamabridge", Path.GetFileName(builder.AppHostDirectory), name);

        var ollama = builder.AddOllamaLocal(name)
            // The toolkit gives every server Ollama's own port; here each gets a free one.
            .WithEndpoint("http", endpoint => endpoint.TargetPort = null)
            .WithEnvironment(context =>
            {
                InstanceBackends.Configure(context, tier, gpus.Value.EnvironmentOf(index, isContainer: false));
                context.EnvironmentVariables[OperatingSystem.IsWindows() ? "TMP" : "TMPDIR"] = temporary;
            })
            .OnBeforeResourceStarted((_, _, _) =>
            {
                Directory.CreateDirectory(temporary);
                return Task.CompletedTask;
            });
        return new BridgeInstance(name, tier, ollama, ollama.Resource.PrimaryEndpoint, $"http://{name}");
    }
}
