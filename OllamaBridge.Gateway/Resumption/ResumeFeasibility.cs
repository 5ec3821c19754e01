using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Decides whether a running stream could be resumed elsewhere before it leaves its instance, where it can also complete.</summary>
internal sealed class ResumeFeasibility
{
    private readonly ResumableRequest? _request;
    private readonly Task<TemplateFacts?>? _facts;
    private readonly Task<bool>? _opensTurns;
    private bool? _isText;

    private ResumeFeasibility(ResumableRequest? request, Task<TemplateFacts?>? facts, Task<bool>? opensTurns = null) =>
        (_request, _facts, _opensTurns) = (request, facts, opensTurns);

    /// <param name="target">The instance that would resume the response. Queried unless its treatment of resumed responses is known.</param>
    public static ResumeFeasibility Examine(StreamedAttempt attempt, Instance target, TemplateProbe templates)
    {
        var call = attempt.Call;
        var request = attempt.IsBoundToInstance ? null : attempt.Peek(static a => a.Call.Body is null ? null : ResumableRequest.Read(a.Call));
        if (request is not { Obstacle: null })
            return new ResumeFeasibility(null, null);
        return new ResumeFeasibility(
            request,
            target.OpenAI is not null
                ? null
                : templates.LearnAsync(call, target, NativeMessages.Think(call.Operation.Protocol, request.Body), CancellationToken.None),
            target.OpenAI is not null && call.Operation.Type == OperationType.Chat ? templates.OpensTurnsAsync(target, CancellationToken.None) : null);
    }

    /// <summary>Must not be called after the end of the attempt.</summary>
    public bool IsFeasible(StreamedAttempt attempt) =>
        _request is { } request && !attempt.IsComplete && attempt.Call.Response.Transcript is { IsWhole: true } kept
        && (kept.Pieces == 0 || HasWay(attempt.Call, request, kept));

    private bool HasWay(ForwardedCall call, ResumableRequest request, ResponseTranscript kept)
    {
        var isChat = call.Operation.Type is OperationType.Chat or OperationType.Messages;
        var thinks = kept.Thinking.Length > 0;
        if (_facts is null)
            return !thinks && call.Operation.Protocol == Protocol.OpenAI
                && (isChat ? _opensTurns is { IsCompletedSuccessfully: true, Result: true } && ResumptionPlanner.MayOpenTurn(request.Body) : ResumptionPlanner.MayOpenPrompt(request.Body));
        if (_facts is not { IsCompletedSuccessfully: true, Result: { } facts })
            return false;
        // A response with hidden text may prove impossible to resume. It can complete on its instance.
        if (thinks || facts.Hides(NativeMessages.Think(call.Operation.Protocol, request.Body)))
            return ResumptionPlanner.MayReplay(request) && !request.HasTools;
        if (facts.LeavesOpen && isChat && ResumptionPlanner.MayOpenTurn(request.Body))
            return true;
        if (request.HasTools || call.Facts.Demands.Images > 0)
            return false;
        return isChat
            ? _isText ??= NativeMessages.From(call.Operation.Protocol, request.Body) is not null
            : request.IsRaw || call.Operation.Protocol != Protocol.OpenAI || !facts.Thinks;
    }
}
