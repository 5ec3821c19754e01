namespace OllamaBridge.Simulator;

/// <summary>A model as a store holds it: what is told about it, and how it behaves.</summary>
public sealed record SimulatedModel
{
    private const long GibiByte = 1L << 30;

    /// <summary>"deepseek-r1:7b"; ":latest" is added where the tag is missing.</summary>
    public required string Name { get; init; }

    /// <summary>Bytes of its weights on disk, and the basis of its size in memory.</summary>
    public long SizeBytes { get; init; } = 4 * GibiByte;

    /// <summary>Number of parameters as shown: "7.6B".</summary>
    public string ParameterSize { get; init; } = "7.6B";

    /// <summary>"Q4_K_M", "F16", …</summary>
    public string Quantization { get; init; } = "Q4_K_M";

    /// <summary>Architecture: "qwen2", "llama", …</summary>
    public string Family { get; init; } = "llama";

    /// <summary>Tokens that the model was trained for.</summary>
    public int ContextLength { get; init; } = 131_072;

    /// <summary>What it can do: see <see cref="ModelCapability"/>.</summary>
    public IReadOnlyList<string> Capabilities { get; init; } = [ModelCapability.Completion];

    /// <summary>What /api/tags lists where it differs from <see cref="Capabilities"/>; null means the same.</summary>
    public IReadOnlyList<string>? ListedCapabilities { get; init; }

    /// <summary>Tokens of an answer before it stops by itself; <see cref="int.MaxValue"/> never stops.</summary>
    public int AnswerTokens { get; init; } = 64;

    /// <summary>Tokens of thinking before the answer, where the model thinks.</summary>
    public int ThinkingTokens { get; init; } = 16;

    /// <summary>How it writes its thinking, if it thinks.</summary>
    public ThinkingStyle Thinking { get; init; } = ThinkingStyle.OpenedByTemplate;

    /// <summary>Whether it chooses its words at random: without a seed, and unless the temperature is 0, every answer differs.</summary>
    public bool Samples { get; init; }

    /// <summary>Time to load it; null means <see cref="SimulatorOptions.LoadTime"/>.</summary>
    public TimeSpan? LoadTime { get; init; }

    /// <summary>Time to evaluate one token of a prompt; null means <see cref="SimulatorOptions.PrefillPerToken"/>.</summary>
    public TimeSpan? PrefillPerToken { get; init; }

    /// <summary>Time to generate one token; null means <see cref="SimulatorOptions.DecodePerToken"/>.</summary>
    public TimeSpan? DecodePerToken { get; init; }

    /// <summary>How its template treats a trailing assistant message.</summary>
    public ChatTemplate Template { get; init; } = ChatTemplate.Messages;

    /// <summary>The text that /api/show tells as its template; null means one that does what <see cref="Template"/> says.</summary>
    public string? TemplateText { get; init; }

    /// <summary>System prompt; null means none.</summary>
    public string? System { get; init; }

    /// <summary>Parameters that it was created with, as a JSON object.</summary>
    public string Parameters { get; init; } = """{"stop":["<|end|>"]}""";

    /// <summary>Tokens of an answer at most if the request does not say (<c>PARAMETER num_predict</c>); null for no limit.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>Numbers of its architecture.</summary>
    public ModelArchitecture Architecture { get; init; } = new();

    /// <summary>When it was last written; null means when it came into the store.</summary>
    public DateTimeOffset? ModifiedAt { get; init; }

    /// <summary>The server that requests for it are passed on to (<c>remote_host</c>); null means it runs here. The simulator's cloud is disabled, so such requests get 403.</summary>
    public string? RemoteHost { get; init; }

    /// <summary>What is wrong with its files.</summary>
    public ModelDamage Damage { get; init; }

    /// <summary>Whether it has a capability.</summary>
    public bool Can(string capability) => Capabilities.Contains(capability);

    /// <summary>A model with sizes and capabilities as its well-known name suggests ("deepseek-r1:7b", "nomic-embed-text", "whisper", …).</summary>
    public static SimulatedModel Named(string name) => WellKnownModels.Create(name);
}
