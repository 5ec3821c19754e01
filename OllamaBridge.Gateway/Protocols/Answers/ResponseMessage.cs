namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>The kinds of messages (lines or events) of a streamed response.</summary>
internal enum ResponseMessage
{
    /// <summary>Framing only: a role, the start of a block, a comment.</summary>
    Frame,

    /// <summary>Text of the response, or of the thinking before it.</summary>
    Words,

    /// <summary>Possibly the start of the end; held until it is known whether the end follows.</summary>
    Closing,

    /// <summary>The marker of a complete response.</summary>
    End,

    /// <summary>The instance reports an error.</summary>
    Failure,

    /// <summary>The message cannot be parsed.</summary>
    Unreadable,
}

/// <summary>The end of a response, as its instance reports it.</summary>
internal struct ResponseEnd
{
    /// <summary>The reason: <c>stop</c>, <c>length</c>, or the protocol's own term for another one; null while unknown.</summary>
    public string? Reason;

    /// <summary>Tokens of the prompt; null if not reported.</summary>
    public long? PromptTokens;

    /// <summary>Tokens of the response; null if not reported.</summary>
    public long? Tokens;

    /// <summary>Time to load the model, in ns.</summary>
    public long LoadDuration;

    /// <summary>Time to read the prompt, in ns.</summary>
    public long PromptDuration;

    /// <summary>Time to generate the response, in ns.</summary>
    public long Duration;
}

/// <summary>The kind of block of an Anthropic response that is open at the client.</summary>
internal enum ResponseBlock
{
    None,

    Thinking,

    Text,

    /// <summary>A block that cannot be resumed.</summary>
    Other,
}
