using System.Text.Json;
using OllamaBridge.Simulator.Generation;

namespace OllamaBridge.Simulator.Chat;

/// <summary>A chat request of any protocol.</summary>
internal sealed record ChatRequest
{
    public required string Model { get; init; }

    public required IReadOnlyList<ChatMessage> Messages { get; init; }

    public required SamplingOptions Options { get; init; }

    public IReadOnlyList<JsonElement> Tools { get; init; } = [];

    /// <summary>"json", a schema, or undefined.</summary>
    public JsonElement Format { get; init; }

    public bool? Think { get; init; }

    /// <summary>Whether the option for thinking is ignored if the model does not support it, as on <c>/v1/messages</c>.</summary>
    public bool RelaxesThinking { get; init; }

    public TimeSpan? KeepAlive { get; init; }

    public bool Truncate { get; init; } = true;

    public bool Shift { get; init; } = true;

    public bool RenderOnly { get; init; }

    /// <summary>The number of alternatives in the requested log probabilities; null if the request has none.</summary>
    public int? TopLogprobs { get; init; }
}
