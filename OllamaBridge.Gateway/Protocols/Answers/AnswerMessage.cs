namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>What one message of a stream (a line, or an event) is.</summary>
internal enum AnswerMessage
{
    /// <summary>It belongs to the frame: a role, a block's beginning, a comment.</summary>
    Frame,

    /// <summary>It has words of the answer, or of the thinking before it.</summary>
    Words,

    /// <summary>It may be the beginning of the end: held until it is known whether the end follows.</summary>
    Closing,

    /// <summary>The mark of a whole answer.</summary>
    End,

    /// <summary>The instance tells that it failed.</summary>
    Failure,

    /// <summary>It cannot be read.</summary>
    Unreadable,
}

/// <summary>How an answer ended, as its instance told.</summary>
internal struct AnswerEnd
{
    /// <summary>Why: <c>stop</c>, <c>length</c>, or the protocol's own word for something else; null while unknown.</summary>
    public string? Reason;

    /// <summary>Tokens of the prompt; null where not told.</summary>
    public long? PromptTokens;

    /// <summary>Tokens of the answer; null where not told.</summary>
    public long? Tokens;

    /// <summary>Time to load the model, in ns.</summary>
    public long LoadDuration;

    /// <summary>Time to read the prompt, in ns.</summary>
    public long PromptDuration;

    /// <summary>Time to write the answer, in ns.</summary>
    public long Duration;
}

/// <summary>Which kind of block of an Anthropic answer is open at the client.</summary>
internal enum AnswerBlock
{
    /// <summary>None.</summary>
    None,

    /// <summary>Thinking.</summary>
    Thinking,

    /// <summary>Text.</summary>
    Text,

    /// <summary>Something that cannot be gone on with.</summary>
    Other,
}
