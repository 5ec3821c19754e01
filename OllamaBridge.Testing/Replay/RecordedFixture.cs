using System.Text.Json;
using OllamaBridge.Simulator;

namespace OllamaBridge.Testing.Replay;

/// <summary>The servers of the recordings, with the models of the recorded lists.</summary>
internal static class RecordedFixture
{
    public const string Registry = "127.0.0.1:21500/library/";
    private const int Endless = int.MaxValue;

    public static SimulatorOptions Options { get; } = SimulatorOptions.Instant with
    {
        ParallelSlots = 4,
        MaxLoadedModels = 3,
        OnGpu = false,
        ModelFolder = "<ollama>/models",
    };

    public static ModelStore Store(string recording = "01-tags") => new(Models(recording));

    /// <summary>The empty folder of the recordings 14-* and the models that its servers could pull.</summary>
    public static SimulatorOptions PullOptions { get; } = Options with
    {
        ModelFolder = "<ollama>/models2",
        PullBytesPerSecond = 100_000_000,
        RemoteModels = [.. Models("01-tags").Select(m => m with { Name = Registry + m.Name, ModifiedAt = null })],
    };

    public static IEnumerable<SimulatedModel> Models(string recording)
    {
        using var tags = JsonDocument.Parse(Recording.Load(recording).Response!.Body);
        List<SimulatedModel> models = [];
        foreach (var model in tags.RootElement.GetProperty("models").EnumerateArray())
            models.Add(Model(model));
        return models;
    }

    private static SimulatedModel Model(JsonElement tag)
    {
        var details = tag.GetProperty("details");
        var name = tag.GetProperty("name").GetString()!.Replace(":latest", "");
        return new SimulatedModel
        {
            Name = name,
            SizeBytes = tag.GetProperty("size").GetInt64(),
            ModifiedAt = tag.GetProperty("modified_at").GetDateTimeOffset(),
            Family = details.GetProperty("family").GetString()!,
            ParameterSize = details.GetProperty("parameter_size").GetString()!,
            Quantization = details.GetProperty("quantization_level").GetString()!,
            ContextLength = details.GetProperty("context_length").GetInt32(),
            Capabilities = [name == "embed" ? ModelCapability.Embedding : ModelCapability.Completion],
            ListedCapabilities = [ModelCapability.Completion],
            AnswerTokens = name is "slow" or "endless" ? Endless : 163,
            Template = name switch
            {
                "legacy" => ChatTemplate.Legacy,
                "prefill" => ChatTemplate.Prefill,
                "jinja" => ChatTemplate.Jinja,
                _ => ChatTemplate.Messages,
            },
            Architecture = Architecture(name, details.GetProperty("embedding_length").GetInt32()),
        };
    }

    private static ModelArchitecture Architecture(string name, int width) => new()
    {
        EmbeddingLength = width,
        HeadCount = 16,
        VocabularySize = 704,
        BlockCount = name == "brk" ? 3 : 2,
        FeedForwardLength = name == "brk" ? 320 : 256,
        ParameterCount = name == "brk" ? 5_344_768 : 3_607_040,
    };
}
