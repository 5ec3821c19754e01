using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Forwarding.Continuation;

/// <summary>
/// Whether a stream that still runs could be gone on with elsewhere: before it is taken from its instance that must be known, because
/// there it can also come to its end.
/// </summary>
internal sealed class MoveQuestion
{
    private readonly ContinuableRequest? _request;
    private readonly Task<TemplateFacts?>? _facts;
    private readonly Task<bool>? _opensTurns;
    private bool? _isText;

    private MoveQuestion(ContinuableRequest? request, Task<TemplateFacts?>? facts, Task<bool>? opensTurns = null) =>
        (_request, _facts, _opensTurns) = (request, facts, opensTurns);

    /// <summary>Asks; whoever would go on is asked how it treats such answers, where that is not known and it can tell.</summary>
    /// <param name="attempt">The sending.</param>
    /// <param name="target">Who would go on.</param>
    /// <param name="templates">What is known of models.</param>
    public static MoveQuestion Ask(ForwardAttempt attempt, Instance target, TemplateProbe templates)
    {
        var call = attempt.Call;
        var request = attempt.IsBoundToInstance ? null : attempt.Peek(static a => a.Call.Body is null ? null : ContinuableRequest.Read(a.Call));
        if (request is not { Obstacle: null })
            return new MoveQuestion(null, null);
        return new MoveQuestion(
            request,
            target.OpenAI is not null
                ? null
                : templates.LearnAsync(call, target, NativeMessages.Think(call.Operation.Protocol, request.Body), CancellationToken.None),
            target.OpenAI is not null && call.Operation.Name == "chat" ? templates.OpensTurnsAsync(target, CancellationToken.None) : null);
    }

    /// <summary>The answer as things stand. Not after the sending has ended.</summary>
    public bool IsYes(ForwardAttempt attempt) =>
        _request is { } request && !attempt.IsComplete && attempt.Call.Kept is { IsWhole: true } kept
        && (kept.Pieces == 0 || HasWay(attempt.Call, request, kept));

    /// <summary>Whether <see cref="ContinuationPlanner"/> would find a way.</summary>
    private bool HasWay(BridgeCall call, ContinuableRequest request, KeptAnswer kept)
    {
        var isChat = call.Operation.Name is "chat" or "messages";
        var thinks = kept.Thinking.Length > 0;
        if (_facts is null)
            return !thinks && call.Operation.Protocol == Protocol.OpenAI
                && (isChat ? _opensTurns is { IsCompletedSuccessfully: true, Result: true } && ContinuationPlanner.MayOpenTurn(request.Body) : ContinuationPlanner.MayOpenPrompt(request.Body));
        if (_facts is not { IsCompletedSuccessfully: true, Result: { } facts })
            return false;
        // An answer that hides text may turn out not to be resumable; on its instance it can finish.
        if (thinks || facts.Hides(NativeMessages.Think(call.Operation.Protocol, request.Body)))
            return ContinuationPlanner.MayReplay(request) && !request.HasTools;
        if (facts.LeavesOpen && isChat && ContinuationPlanner.MayOpenTurn(request.Body))
            return true;
        if (request.HasTools || call.Facts.Demands.Images > 0)
            return false;
        return isChat
            ? _isText ??= NativeMessages.From(call.Operation.Protocol, request.Body) is not null
            : request.IsRaw || call.Operation.Protocol != Protocol.OpenAI || !facts.Thinks;
    }
}
