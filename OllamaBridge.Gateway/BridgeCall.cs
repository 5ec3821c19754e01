using OllamaBridge.Gateway.Catalog;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Answers;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Resumption;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway;

/// <summary>The outcome of a request, for telemetry.</summary>
internal enum RequestOutcome
{
    Succeeded,

    /// <summary>The request is invalid or was rejected.</summary>
    Rejected,

    /// <summary>No instance could serve it.</summary>
    Failed,

    /// <summary>The response was cut off and ended with an error.</summary>
    Truncated,

    /// <summary>The client disconnected.</summary>
    Cancelled,
}

/// <summary>The state of one request, to which each stage of the pipeline adds. A feature of the HTTP context.</summary>
internal sealed class BridgeCall(Operation operation, string rest, long startedAt)
{
    public Operation Operation { get; } = operation;

    /// <summary>The last part of the path of a route that ends in a name.</summary>
    public string Rest { get; } = rest;

    /// <summary>The time of arrival, in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</summary>
    public long StartedAt { get; } = startedAt;

    public Tenant Tenant { get; set; } = Tenant.Anonymous;

    /// <summary>Whether the client is on this machine.</summary>
    public bool IsLocal { get; set; }

    /// <summary>The reservation of the tenant's quota until it is settled; null if the tenant has none.</summary>
    public QuotaLease? Quota { get; set; }

    /// <summary>The estimated tokens of the prompt; set if the tenant has a quota.</summary>
    public long PromptEstimate { get; set; }

    public RequestFacts Facts { get; set; }

    /// <summary>The buffered body for repeated attempts; null if the body is streamed, or there is none.</summary>
    public ReplayableBody? Body { get; set; }

    public Priority Priority { get; set; }

    /// <summary>The end of its wait for a slot, in the ticks of <see cref="StartedAt"/>; 0: the general limit.</summary>
    public long Deadline { get; set; }

    /// <summary>The end of its wait for another bridge whose queue is full, in the ticks of <see cref="StartedAt"/>; 0: no wait.</summary>
    public long WaitsForRoomUntil { get; set; }

    /// <summary>The tokens charged to its tenant and the part still to be settled.</summary>
    public TokenCharge Charge { get; set; }

    /// <summary>The id by which the client can find it in the queue; null if the client did not request one.</summary>
    public QueueTicket? Ticket { get; set; }

    /// <summary>Shows the client that the request still waits; null if the client did not request that.</summary>
    public Heartbeat? Heartbeat { get; set; }

    /// <summary>The model's canonical name; empty if any instance will do.</summary>
    public string ModelKey { get; set; } = "";

    /// <summary>The canonical name of a cloud model that no instance lists, so that any instance may serve it; null for any other model.</summary>
    public string? UnlistedModel { get; set; }

    /// <summary>The model in quotas and records.</summary>
    public string NamedModel => UnlistedModel ?? ModelKey;

    /// <summary>The variants and fallbacks that may serve it; null if only the requested model may.</summary>
    public ModelAlternatives? Alternatives { get; set; }

    /// <summary>The model's name for instances, if it differs from the client's spelling; else null.</summary>
    public string? ModelName { get; set; }

    public string? SentModel => ModelName ?? Facts.Model;

    /// <summary>The model's digest on the instance of the last unmodified attempt; only that digest may resume the response.</summary>
    public DigestPin Digest { get; set; }

    public ModelPart Part => PartOf(SentModel);

    /// <summary>Its place in the queue; the default until it requests an instance.</summary>
    public QueueKey Queue { get; set; }

    /// <summary>The only instance that may serve it, if that matters (a blob and the <c>create</c> that refers to it); else null.</summary>
    public Instance? Pinned { get; set; }

    /// <summary>Chooses the only instance that may serve it after the given ones failed; null if any may.</summary>
    public Func<IReadOnlySet<Instance>, Instance?>? ChooseNext { get; set; }

    /// <summary>Whether an interrupted progress stream is repeated on another instance, without the part that the client has received.</summary>
    public bool IsRepeatable => ChooseNext is not null && Operation.End == StreamEnd.Success && Body is not null;

    /// <summary>Whether it only unloads its model, which costs the instance no slot.</summary>
    public bool IsUnload { get; set; }

    /// <summary>Called before the last bytes of a complete response are sent; null for no action.</summary>
    public Func<CancellationToken, Task>? BeforeCompletion { get; set; }

    /// <summary>The part of a streamed response that the client has received; null if that is not recorded.</summary>
    public ResponseTranscript? Kept { get; set; }

    /// <summary>The time of the first attempt, in the ticks of <see cref="StartedAt"/>; null before it.</summary>
    public long? FirstSentAt { get; set; }

    /// <summary>The time of the last bytes from the last instance that sent some, in the same ticks; null before the first interruption.</summary>
    public long? SilentSince { get; set; }

    /// <summary>Whether an OpenAI stream must end with its usage; read when a stream must be resumed.</summary>
    public bool WantsUsage { get; set; }

    /// <summary>The causes of interruptions after which the response was resumed; null for none.</summary>
    public List<Interruption>? Continued { get; set; }

    /// <summary>The model before the request changed it, for the audit log; null if it did not exist.</summary>
    public System.Text.Json.Nodes.JsonObject? ModelBefore { get; set; }

    /// <summary>The error text of the bridge's rejection, as the client got it; null if the request was not rejected.</summary>
    public string? Refusal { get; set; }

    /// <summary>The outcome; null if it follows from the status.</summary>
    public RequestOutcome? Outcome { get; set; }

    public Instance? AnsweredBy { get; set; }

    /// <summary>
    /// Whether it was moved from an instance that served other routes, but not the check. Happens at most once: the check may have waited for a
    /// slot.
    /// </summary>
    public bool WasSuspected { get; set; }

    public int Attempts { get; set; }

    public TimeSpan Queued { get; set; }

    /// <summary>The start of the response, in <see cref="TimeProvider.GetTimestamp"/>'s ticks; null if there was none.</summary>
    public long? AnsweredAt { get; set; }

    public long InputTokens { get; set; }

    public long OutputTokens { get; set; }

    /// <summary>The part of a model's placements that it could use under another name.</summary>
    public ModelPart PartOf(string? name) => new(Operation.Route, Facts.IsPlain ? name : null);

    /// <summary>Replaces the client's model by a variant or fallback, also in the body.</summary>
    public void StandIn(ModelCandidate candidate)
    {
        ModelKey = candidate.Key;
        ModelName = candidate.Name;
        if (Facts.ModelEnd > 0)
            Body?.Replace(Facts.ModelStart, Facts.ModelEnd, candidate.Json);
    }

    /// <summary>Copies the token counts of the recorded response.</summary>
    public void SettleKept()
    {
        if (Kept is not { } kept)
            return;
        InputTokens = kept.End.PromptTokens ?? 0;
        OutputTokens = kept.End.Tokens ?? kept.Tokens;
    }

    /// <summary>The instance whose response has begun; null before.</summary>
    public Instance? Answering { get; set; }

    /// <summary>The failed attempts; null for none.</summary>
    public FailedAttempts? Failures { get; set; }

    /// <summary>Whether the client is known to be at fault, although an instance responded with 500 or 501.</summary>
    public bool IsRequestFault { get; set; }

    /// <summary>Whether its options were changed to load fewer layers onto the GPU.</summary>
    public bool HasFewerLayers { get; set; }

    /// <summary>Whether the same request failed recently on every instance it was sent to: then it gets one attempt.</summary>
    public bool IsKnownToFail { get; set; }

    /// <summary>Settles the tenant's charge, once.</summary>
    public void SettleCharge()
    {
        var charge = Charge;
        Charge = default;
        charge.Settle(AnsweredBy is not null, InputTokens, OutputTokens);
    }
}
