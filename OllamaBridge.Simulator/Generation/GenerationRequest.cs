using OllamaBridge.Simulator.Text;

namespace OllamaBridge.Simulator.Generation;

/// <summary>What shall be generated, whatever protocol asked for it.</summary>
internal sealed record GenerationRequest
{
    public required StoredModel Stored { get; init; }

    public required string Prompt { get; init; }

    public required SamplingOptions Options { get; init; }

    public TimeSpan? KeepAlive { get; init; }

    /// <summary>Whether thinking and tool calls are left in the text.</summary>
    public bool Raw { get; init; }

    /// <summary>Numbers of an earlier answer that go before the prompt.</summary>
    public IReadOnlyList<int> Context { get; init; } = [];

    /// <summary>Whether a prompt that is too long is cut; false makes it an error.</summary>
    public bool Truncate { get; init; } = true;

    /// <summary>Whether old tokens make room for new ones; false ends the answer when the context is full.</summary>
    public bool Shift { get; init; } = true;

    /// <summary>Separates thinking from content; null if the text is passed on as it is.</summary>
    public ThinkingReader? Thinking { get; init; }

    /// <summary>Whether a token of which nothing is shown still makes a line, as on <c>/api/generate</c>.</summary>
    public bool ShowsEmptyTokens { get; init; }

    /// <summary>A text to say instead of prose.</summary>
    public Func<ulong, string>? Script { get; init; }

    /// <summary>The call that the script makes, where it makes one.</summary>
    public ToolCall? Call { get; init; }

    /// <summary>An error that only the loaded model finds.</summary>
    public ApiError? ErrorOnceLoaded { get; init; }

    public TokenKind ScriptKind => Call is null ? TokenKind.Content : TokenKind.Call;
}
