using System.Text.Json;
using OllamaBridge.Simulator.Generation;

namespace OllamaBridge.Simulator.Chat;

/// <summary>A conversation to be continued, whatever protocol it came in.</summary>
internal sealed record ChatRequest
{
    public required string Model { get; init; }

    public required IReadOnlyList<ChatMessage> Messages { get; init; }

    public required SamplingOptions Options { get; init; }

    public IReadOnlyList<JsonElement> Tools { get; init; } = [];

    /// <summary>"json", a schema, or nothing.</summary>
    public JsonElement Format { get; init; }

    public bool? Think { get; init; }

    /// <summary>Whether a wish for thinking is dropped if the model cannot think, as on <c>/v1/messages</c>.</summary>
    public bool RelaxesThinking { get; init; }

    public TimeSpan? KeepAlive { get; init; }

    public bool Truncate { get; init; } = true;

    public bool Shift { get; init; } = true;

    public bool RenderOnly { get; init; }

    /// <summary>Log probabilities asked for, and of how many other tokens; null for none.</summary>
    public int? TopLogprobs { get; init; }
}
