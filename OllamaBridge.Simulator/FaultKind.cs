namespace OllamaBridge.Simulator;

/// <summary>The ways in which a simulated server can fail. Recordings 08-* and 09-* show the real ones.</summary>
public enum FaultKind
{
    /// <summary>While in the plan the port refuses connections, and a request on an open connection is reset. Ignores <see cref="Fault.Times"/>.</summary>
    Refuse,

    /// <summary>The connection is reset (RST) before any header.</summary>
    ResetBeforeHeaders,

    /// <summary>The request is read and never answered (a server under SIGSTOP).</summary>
    Hang,

    /// <summary>The request is answered with <see cref="Fault.Status"/> and an error body in the caller's protocol.</summary>
    Status,

    /// <summary>The connection is closed after <see cref="Fault.AfterTokens"/> tokens, in the middle of the body.</summary>
    CutAfterTokens,

    /// <summary>The stream stops after <see cref="Fault.AfterTokens"/> tokens for <see cref="Fault.Delay"/>, then goes on.</summary>
    Stall,

    /// <summary>After <see cref="Fault.AfterTokens"/> tokens a line comes that is no JSON, then the stream goes on.</summary>
    MalformedLine,

    /// <summary>The first token, and with it the headers, comes <see cref="Fault.Delay"/> later.</summary>
    SlowFirstToken,

    /// <summary>After <see cref="Fault.AfterTokens"/> tokens the whole server dies as with kill -9; it stays dead until restarted.</summary>
    Die,

    /// <summary>After <see cref="Fault.AfterTokens"/> tokens the model's runner is killed: an in-band error line (native) or a swallowed error (/v1),
    /// with a clean end; status 500 where nothing was sent yet. The next request loads the model again.</summary>
    ErrorLine,

    /// <summary>After <see cref="Fault.AfterTokens"/> tokens the stream ends cleanly, without the mark of a whole answer.</summary>
    EndEarly,

    /// <summary>Every generation stands still while in the plan, running ones too; routes that do not generate answer (a runner under SIGSTOP).</summary>
    Frozen,

    /// <summary>While in the plan every token takes <see cref="Fault.Delay"/> more. Ignores <see cref="Fault.Times"/>.</summary>
    SlowTokens,

    /// <summary>While in the plan loaded models are on the processor: <c>/api/ps</c> tells a <c>size_vram</c> of 0, and every token takes
    /// <see cref="Fault.Delay"/> more. Ignores <see cref="Fault.Times"/>.</summary>
    OnCpu,
}
