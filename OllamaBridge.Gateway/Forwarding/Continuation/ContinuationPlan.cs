using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>What is asked of an instance so that it goes on with an answer.</summary>
/// <param name="Path">The route.</param>
/// <param name="Body">The body.</param>
/// <param name="Reader">Makes the reader of its answer.</param>
internal sealed record ContinuationPlan(string Path, ReadOnlyMemory<byte> Body, Func<KeptAnswer, AnswerReader> Reader)
{
    /// <summary>Nothing is asked: the instance has shown that it cannot write the answer.</summary>
    public static readonly ContinuationPlan Failed = new("", default, _ => throw new InvalidOperationException("nothing is asked"));

    /// <summary>Whether it is the request itself: the answer is written again from its beginning, and must begin as the client has seen it.</summary>
    public bool IsReplay { get; init; }

    /// <summary>Whether the prompt holds what was sent already, so that its tokens are counted with the prompt's.</summary>
    public bool HoldsAnswer { get; init; }

    /// <summary>Whether the answer has all the tokens that it may have: what is asked only tells what the prompt took.</summary>
    public bool IsOver { get; init; }
}
