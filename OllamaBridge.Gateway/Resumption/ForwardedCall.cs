using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Answers;
using OllamaBridge.Gateway.Protocols.Bodies;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>A request that is forwarded: the features that its stages have set, and the states of its wait and response.</summary>
internal sealed class ForwardedCall(OperationFeature operation, Tenant tenant, RequestBodyFeature body, ModelSelection model, RequestResult result)
{
    public Operation Operation => operation.Operation;

    public string Rest => operation.Rest;

    public Tenant Tenant => tenant;

    public RequestFacts Facts => body.Facts;

    public ReplayableBody? Body => body.Body;

    public ModelSelection Model => model;

    public RequestResult Result => result;

    public ForwardingTarget Target { get; init; } = ForwardingTarget.Any;

    public QueueWait Wait { get; init; } = new();

    public ResponseState Response { get; } = new();

    public Instance? Pinned { get; set; }

    public bool Streams => Facts.Stream ?? Operation.StreamsByDefault;

    /// <summary>Whether it can be sent more than once. A body that is not buffered can't be.</summary>
    public bool IsReplayable(string method) => Body is not null || !Operation.UnbufferedBody || HttpMethods.IsHead(method);

    /// <summary>Whether an interrupted progress stream is repeated on another instance, whose lines follow those that the client has.</summary>
    public bool IsRepeatable => Target.ChooseNext is not null && Operation.End == StreamEnd.Success && Body is not null;

    public ResponseContext ResponseContext =>
        new(Operation, Model.SentName, Result.StartedAt, Response.FirstSentAt ?? Result.StartedAt, Response.WantsUsage);

    public void SettleTranscript()
    {
        if (Response.Transcript is not { } transcript)
            return;
        Result.InputTokens = transcript.End.PromptTokens ?? 0;
        Result.OutputTokens = transcript.End.Tokens ?? transcript.Tokens;
    }

    /// <summary>Settles at most once.</summary>
    public void SettleCharge() => Wait.SettleCharge(Result.AnsweredBy is not null, Result.InputTokens, Result.OutputTokens);
}
