using System.Globalization;
using System.Text.RegularExpressions;

namespace OllamaBridge.Simulator;

/// <summary>Derives a plausible model from its name.</summary>
internal static partial class WellKnownModels
{
    private const double BytesPerParameter = 0.61;
    private const double DefaultBillions = 7.6;

    private static readonly string[] Thinkers = ["deepseek-r1", "qwen3", "gpt-oss", "magistral", "deepseek-v3.1"];
    private static readonly string[] Seers = ["llava", "gemma3", "qwen2.5vl", "qwen3-vl", "llama3.2-vision", "minicpm-v"];
    private static readonly string[] WithoutTools = ["gemma", "llava", "phi3", "codellama"];

    public static SimulatedModel Create(string name)
    {
        var lower = name.ToLowerInvariant();
        var billions = Billions().Match(lower) is { Success: true } match
            ? double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture) * (match.Groups[2].Value == "m" ? 0.001 : 1)
            : DefaultBillions;
        var embeds = lower.Contains("embed") || lower.Contains("bge-") || lower.Contains("minilm");
        return new SimulatedModel
        {
            Name = name,
            SizeBytes = (long)(billions * 1e9 * BytesPerParameter),
            ParameterSize = billions >= 1
                ? string.Create(CultureInfo.InvariantCulture, $"{billions:0.0}B")
                : string.Create(CultureInfo.InvariantCulture, $"{billions * 1000:0}M"),
            Family = embeds
                ? "nomic-bert"
                : lower.StartsWith("deepseek-r1", StringComparison.Ordinal) || lower.StartsWith("qwen", StringComparison.Ordinal) ? "qwen2" : "llama",
            Capabilities = embeds ? [ModelCapability.Embedding] : Capabilities(lower),
            Architecture = embeds
                ? new ModelArchitecture { EmbeddingLength = 768, BlockCount = 12, HeadCount = 12, FeedForwardLength = 3072 }
                : new ModelArchitecture(),
        };
    }

    private static string[] Capabilities(string lower)
    {
        List<string> all = [ModelCapability.Completion];
        if (!Array.Exists(WithoutTools, m => lower.StartsWith(m, StringComparison.Ordinal)))
            all.Add(ModelCapability.Tools);
        if (Array.Exists(Thinkers, m => lower.StartsWith(m, StringComparison.Ordinal)))
            all.Add(ModelCapability.Thinking);
        if (Array.Exists(Seers, m => lower.StartsWith(m, StringComparison.Ordinal)))
            all.Add(ModelCapability.Vision);
        if (lower.Contains("whisper") || lower.Contains("audio"))
            all.Add(ModelCapability.Audio);
        if (lower.Contains("coder"))
            all.Add(ModelCapability.Insert);
        return [.. all];
    }

    [GeneratedRegex("(\\d+(?:\\.\\d+)?)([bm])(?![a-z])")]
    private static partial Regex Billions();
}
