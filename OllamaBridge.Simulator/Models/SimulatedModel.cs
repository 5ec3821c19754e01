namespace OllamaBridge.Simulator;

/// <summary>A model in a store: its metadata and its behaviour.</summary>
public sealed record SimulatedModel
{
    private const long GibiByte = 1L << 30;

    /// <summary>For example "deepseek-r1:7b"; ":latest" is added if the tag is missing.</summary>
    public required string Name { get; init; }

    /// <summary>Bytes of its weights on disk; its size in memory derives from it.</summary>
    public long SizeBytes { get; init; } = 4 * GibiByte;

    /// <summary>Number of parameters as displayed: "7.6B".</summary>
    public string ParameterSize { get; init; } = "7.6B";

    /// <summary>"Q4_K_M", "F16", …</summary>
    public string Quantization { get; init; } = "Q4_K_M";

    /// <summary>Architecture: "qwen2", "llama", …</summary>
    public string Family { get; init; } = "llama";

    /// <summary>The trained context length in tokens.</summary>
    public int ContextLength { get; init; } = 131_072;

    /// <summary>Its capabilities: see <see cref="ModelCapability"/>.</summary>
    public IReadOnlyList<string> Capabilities { get; init; } = [ModelCapability.Completion];

    /// <summary>The capabilities in /api/tags, if they differ from <see cref="Capabilities"/>; null means the same.</summary>
    public IReadOnlyList<string>? ListedCapabilities { get; init; }

    /// <summary>The length of a response in tokens; <see cref="int.MaxValue"/> never stops.</summary>
    public int AnswerTokens { get; init; } = 64;

    /// <summary>Tokens of thinking before the response, if the model thinks.</summary>
    public int ThinkingTokens { get; init; } = 16;

    /// <summary>The form of its thinking, if it thinks.</summary>
    public ThinkingStyle Thinking { get; init; } = ThinkingStyle.OpenedByTemplate;

    /// <summary>Whether it samples: without a seed, and unless the temperature is 0, every response differs.</summary>
    public bool Samples { get; init; }

    /// <summary>Time to load it; null means <see cref="SimulatorOptions.LoadTime"/>.</summary>
    public TimeSpan? LoadTime { get; init; }

    /// <summary>Time to evaluate one token of a prompt; null means <see cref="SimulatorOptions.PrefillPerToken"/>.</summary>
    public TimeSpan? PrefillPerToken { get; init; }

    /// <summary>Time to generate one token; null means <see cref="SimulatorOptions.DecodePerToken"/>.</summary>
    public TimeSpan? DecodePerToken { get; init; }

    /// <summary>The template's treatment of a trailing assistant message.</summary>
    public ChatTemplate Template { get; init; } = ChatTemplate.Messages;

    /// <summary>The template text in /api/show; null generates one that corresponds to <see cref="Template"/>.</summary>
    public string? TemplateText { get; init; }

    /// <summary>System prompt; null means none.</summary>
    public string? System { get; init; }

    /// <summary>Its default parameters as a JSON object.</summary>
    public string Parameters { get; init; } = """{"stop":["<|end|>"]}""";

    /// <summary>The default limit of tokens in a response (<c>PARAMETER num_predict</c>); null for no limit.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>The figures of its architecture.</summary>
    public ModelArchitecture Architecture { get; init; } = new();

    /// <summary>When it was last written; null means when it was added to the store.</summary>
    public DateTimeOffset? ModifiedAt { get; init; }

    /// <summary>
    /// The server that requests are forwarded to (<c>remote_host</c>); null means it runs here. The simulator's cloud is disabled, so such requests
    /// get 403.
    /// </summary>
    public string? RemoteHost { get; init; }

    /// <summary>The damage of its files.</summary>
    public ModelDamage Damage { get; init; }

    /// <summary>Whether it has a capability.</summary>
    public bool Can(string capability) => Capabilities.Contains(capability);

    /// <summary>A model with sizes and capabilities as its well-known name suggests ("deepseek-r1:7b", "nomic-embed-text", "whisper", …).</summary>
    public static SimulatedModel Named(string name) => WellKnownModels.Create(name);
}
