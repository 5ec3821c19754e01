using OllamaBridge.Simulator.Text;

namespace OllamaBridge.Simulator.Generation;

/// <summary>A generation request of any protocol.</summary>
internal sealed record GenerationRequest
{
    public required StoredModel Stored { get; init; }

    public required string Prompt { get; init; }

    public required SamplingOptions Options { get; init; }

    public TimeSpan? KeepAlive { get; init; }

    /// <summary>Whether thinking and tool calls stay in the text.</summary>
    public bool Raw { get; init; }

    /// <summary>Token numbers of an earlier response to put before the prompt.</summary>
    public IReadOnlyList<int> Context { get; init; } = [];

    /// <summary>Whether a prompt that is too long is truncated; false makes it an error.</summary>
    public bool Truncate { get; init; } = true;

    /// <summary>Whether old tokens are dropped for new ones; false ends the response when the context is full.</summary>
    public bool Shift { get; init; } = true;

    /// <summary>Separates thinking from content; null passes the text through.</summary>
    public ThinkingReader? Thinking { get; init; }

    /// <summary>Whether a token without visible text still makes a line, as on <c>/api/generate</c>.</summary>
    public bool ShowsEmptyTokens { get; init; }

    /// <summary>A generator of the text; null for prose.</summary>
    public Func<ulong, string>? Script { get; init; }

    /// <summary>The tool call of the script; null for none.</summary>
    public ToolCall? Call { get; init; }

    /// <summary>An error that only occurs once the model is loaded.</summary>
    public ApiError? ErrorOnceLoaded { get; init; }

    public TokenKind ScriptKind => Call is null ? TokenKind.Content : TokenKind.Call;
}
