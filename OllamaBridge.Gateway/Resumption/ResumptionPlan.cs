using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>The request that resumes a response on an instance. <paramref name="Reader"/> creates the reader of its response.</summary>
internal sealed record ResumptionPlan(string Path, ReadOnlyMemory<byte> Body, Func<ResponseTranscript, ResponseReader> Reader)
{
    /// <summary>No request: the instance has shown that it cannot write the response.</summary>
    public static readonly ResumptionPlan Failed = new("", default, _ => throw new InvalidOperationException("a failed plan has no response"));

    /// <summary>The original request: the instance writes the response again, which must equal the part that the client has.</summary>
    public bool IsReplay { get; init; }

    /// <summary>Whether the prompt contains the response so far, so that the instance counts its tokens as prompt tokens.</summary>
    public bool HoldsAnswer { get; init; }

    /// <summary>The response has reached its limit of tokens: the request only obtains the prompt's usage.</summary>
    public bool IsOver { get; init; }
}
