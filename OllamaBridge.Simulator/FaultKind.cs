namespace OllamaBridge.Simulator;

/// <summary>The kinds of failures that a simulated server supports. Recordings 08-* and 09-* show the real ones.</summary>
public enum FaultKind
{
    /// <summary>While in the plan the port refuses connections, and a request on an open connection is reset. Ignores <see cref="Fault.Times"/>.</summary>
    Refuse,

    /// <summary>The connection is reset (RST) before any header.</summary>
    ResetBeforeHeaders,

    /// <summary>The request is read, but gets no response (a server under SIGSTOP).</summary>
    Hang,

    /// <summary>The response has <see cref="Fault.Status"/> and an error body in the client's protocol.</summary>
    Status,

    /// <summary>The connection is closed after <see cref="Fault.AfterTokens"/> tokens, in the middle of the body.</summary>
    CutAfterTokens,

    /// <summary>The stream pauses after <see cref="Fault.AfterTokens"/> tokens for <see cref="Fault.Delay"/>, then continues.</summary>
    Stall,

    /// <summary>After <see cref="Fault.AfterTokens"/> tokens the server sends a line that is not JSON, then the stream continues.</summary>
    MalformedLine,

    /// <summary>The first token, and with it the headers, arrives <see cref="Fault.Delay"/> later.</summary>
    SlowFirstToken,

    /// <summary>After <see cref="Fault.AfterTokens"/> tokens the whole server dies as with kill -9; it stays dead until restarted.</summary>
    Die,

    /// <summary>
    /// After <see cref="Fault.AfterTokens"/> tokens the model's runner is killed: an in-band error line (native) or no error at all (/v1),
    /// with a clean end; status 500 if nothing was sent yet. The next request loads the model again.
    /// </summary>
    ErrorLine,

    /// <summary>After <see cref="Fault.AfterTokens"/> tokens the stream ends cleanly, without its terminal marker.</summary>
    EndEarly,

    /// <summary>While in the plan every generation stalls, running ones too; routes that do not generate respond (a runner under SIGSTOP).</summary>
    Frozen,

    /// <summary>While in the plan every token takes <see cref="Fault.Delay"/> longer. Ignores <see cref="Fault.Times"/>.</summary>
    SlowTokens,

    /// <summary>
    /// While in the plan loaded models run on the CPU: <c>/api/ps</c> reports a <c>size_vram</c> of 0, and every token takes
    /// <see cref="Fault.Delay"/> longer. Ignores <see cref="Fault.Times"/>.
    /// </summary>
    OnCpu,
}
