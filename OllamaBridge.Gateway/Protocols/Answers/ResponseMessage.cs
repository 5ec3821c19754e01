namespace OllamaBridge.Gateway.Protocols.Answers;

/// <summary>The kinds of messages (lines or events) of a streamed response.</summary>
internal enum ResponseMessage
{
    Frame,

    Words,

    /// <summary>Possibly the start of the end; held until it is known whether the end follows.</summary>
    Closing,

    End,

    Failure,

    Unreadable,
}

/// <summary>The end of a response as its instance reports it. Durations are in ns.</summary>
internal struct ResponseEnd
{
    /// <summary>The reason: <c>stop</c>, <c>length</c>, or the protocol's own term for another one; null while unknown.</summary>
    public string? Reason;

    /// <summary>Null if not reported.</summary>
    public long? PromptTokens;

    /// <summary>Null if not reported.</summary>
    public long? Tokens;

    public long LoadDuration;

    public long PromptDuration;

    public long Duration;
}

internal enum ResponseBlock
{
    None,

    Thinking,

    Text,

    Other,
}
