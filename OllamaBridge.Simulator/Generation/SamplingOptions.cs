using System.Text.Json;
using OllamaBridge.Simulator.Json;
using OllamaBridge.Simulator.Memory;

namespace OllamaBridge.Simulator.Generation;

/// <summary>The object "options" of a request, as far as the simulator supports it. Unknown options are ignored, as in Ollama.</summary>
internal sealed record SamplingOptions
{
    private static readonly string[] Integers = ["num_keep", "top_k", "repeat_last_n"];
    private static readonly string[] Reals =
        ["top_p", "min_p", "typical_p", "repeat_penalty", "presence_penalty", "frequency_penalty"];

    public long? Seed { get; init; }

    public double? Temperature { get; init; }

    /// <summary>The maximum number of tokens; null for no limit.</summary>
    public int? MaxTokens { get; init; }

    public IReadOnlyList<string> Stop { get; init; } = [];

    public required RunnerSettings Runner { get; init; }

    /// <summary>The seed; null at temperature 0, which is deterministic.</summary>
    public long? EffectiveSeed => Temperature == 0 ? null : Seed;

    /// <exception cref="ApiError">500: an option has the wrong type. Ollama reports it as a server error.</exception>
    public static SamplingOptions Parse(JsonElement request, SimulatorOptions server)
    {
        GoFields.TryGet(request, "options"u8, out var options);
        Array.ForEach(Integers, name => Integer(options, name));
        Array.ForEach(Reals, name => Real(options, name));
        var predict = Integer(options, "num_predict");
        return new SamplingOptions
        {
            Seed = Integer(options, "seed"),
            Temperature = Real(options, "temperature"),
            MaxTokens = predict is > 0 and <= int.MaxValue ? (int)predict : null,
            Stop = Strings(options, "stop"),
            Runner = new RunnerSettings(
                (int)(Integer(options, "num_ctx") is > 0 and var context ? context : server.ContextLength),
                Integer(options, "num_batch"), Integer(options, "num_gpu"), Integer(options, "main_gpu"), Integer(options, "num_thread"),
                Flag(options, "use_mmap")),
        };
    }

    private static long? Integer(JsonElement options, string name) =>
        !Find(options, name, out var value) ? null : value.ValueKind == JsonValueKind.Number ? (long)value.GetDouble() : throw Wrong(name, "integer");

    private static double? Real(JsonElement options, string name) =>
        !Find(options, name, out var value) ? null : value.ValueKind == JsonValueKind.Number ? value.GetDouble() : throw Wrong(name, "float32");

    private static bool? Flag(JsonElement options, string name) =>
        !Find(options, name, out var value) ? null
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(name, "boolean");

    private static string[] Strings(JsonElement options, string name)
    {
        if (!Find(options, name, out var value))
            return [];
        if (value.ValueKind != JsonValueKind.Array)
            throw Wrong(name, "array");
        return [.. value.EnumerateArray().Select(e => e.ValueKind == JsonValueKind.String ? e.GetString()! : throw Wrong(name, "array of strings"))];
    }

    private static bool Find(JsonElement options, string name, out JsonElement value)
    {
        value = default;
        return options.ValueKind == JsonValueKind.Object && options.TryGetProperty(name, out value) && value.ValueKind != JsonValueKind.Null;
    }

    private static ApiError Wrong(string name, string type) => new(500, $"option \"{name}\" must be of type {type}");
}
