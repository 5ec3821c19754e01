using OllamaBridge.Gateway.Admission;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding;
using OllamaBridge.Gateway.Forwarding.Continuation;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Identity;
using OllamaBridge.Gateway.Naming;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Answers;

namespace OllamaBridge.Gateway;

/// <summary>How a request ended, for telemetry.</summary>
internal enum CallOutcome
{
    /// <summary>Answered.</summary>
    Succeeded,

    /// <summary>The request was at fault.</summary>
    Rejected,

    /// <summary>Nobody could answer.</summary>
    Failed,

    /// <summary>The answer broke off and was ended with an error.</summary>
    Truncated,

    /// <summary>The client hung up.</summary>
    Cancelled,
}

/// <summary>One request on its way through the rooms: what each has found out about it. A feature of the HTTP context.</summary>
internal sealed class BridgeCall(Operation operation, string rest, long startedAt)
{
    /// <summary>What is asked.</summary>
    public Operation Operation { get; } = operation;

    /// <summary>The end of the path of a route that ends in a name.</summary>
    public string Rest { get; } = rest;

    /// <summary>When it came, in <see cref="TimeProvider.GetTimestamp"/>'s ticks.</summary>
    public long StartedAt { get; } = startedAt;

    /// <summary>Whose it is.</summary>
    public Tenant Tenant { get; set; } = Tenant.Anonymous;

    /// <summary>Whether it comes from this machine.</summary>
    public bool IsLocal { get; set; }

    /// <summary>What it holds of its tenant's limits until it is settled; null where there are none.</summary>
    public QuotaLease? Quota { get; set; }

    /// <summary>The prompt's tokens as guessed before anybody has read it; known where the tenant has limits.</summary>
    public long PromptEstimate { get; set; }

    /// <summary>What the body says.</summary>
    public RequestFacts Facts { get; set; }

    /// <summary>The body, kept to be sent again; null where it is passed on as it comes, or there is none.</summary>
    public ReplayableBody? Body { get; set; }

    /// <summary>Its class in the queue.</summary>
    public Priority Priority { get; set; }

    /// <summary>Until when it may wait for a slot, in the same ticks as <see cref="StartedAt"/>; 0: as long as anybody.</summary>
    public long Deadline { get; set; }

    /// <summary>Until when it may wait for a bridge behind this one whose queue is full, in the same ticks as <see cref="StartedAt"/>; 0: not at all.</summary>
    public long WaitsForRoomUntil { get; set; }

    /// <summary>What its tenant was charged for it and what is still to be settled.</summary>
    public TokenCharge Charge { get; set; }

    /// <summary>With which it can be found in the queue; null where nobody looks for it.</summary>
    public QueueTicket? Ticket { get; set; }

    /// <summary>What tells the client that it still waits; null where it did not ask for that.</summary>
    public Heartbeat? Heartbeat { get; set; }

    /// <summary>The model's canonical name; empty where any instance will do.</summary>
    public string ModelKey { get; set; } = "";

    /// <summary>The canonical name of a cloud model that no instance lists, so that any instance may be asked for it; null for any other model.</summary>
    public string? UnlistedModel { get; set; }

    /// <summary>The model that limits and records name.</summary>
    public string NamedModel => UnlistedModel ?? ModelKey;

    /// <summary>The models that may answer, where that is not simply the one that is named; null for that.</summary>
    public ModelAlternatives? Alternatives { get; set; }

    /// <summary>The model's name as instances get it, where that is not as the client wrote it.</summary>
    public string? ModelName { get; set; }

    /// <summary>The model's name as instances get it.</summary>
    public string? SentModel => ModelName ?? Facts.Model;

    /// <summary>What the model is on the instance that it was last sent to as it came; an answer is resumed by no other.</summary>
    public DigestPin Digest { get; set; }

    /// <summary>What of a model's instances it can use.</summary>
    public ModelPart Part => PartOf(SentModel);

    /// <summary>Where it waits, or would; the default before it has asked for an instance.</summary>
    public QueueKey Queue { get; set; }

    /// <summary>The one instance that must answer, where that matters (a blob and the <c>create</c> that names it).</summary>
    public Instance? Pinned { get; set; }

    /// <summary>Chooses the one instance that must answer after others failed; null if any will do.</summary>
    public Func<IReadOnlySet<Instance>, Instance?>? ChooseNext { get; set; }

    /// <summary>Whether a stream of progress that breaks off is begun again on another instance, behind what the client has seen.</summary>
    public bool IsRepeatable => ChooseNext is not null && Operation.End == StreamEnd.Success && Body is not null;

    /// <summary>Whether it only takes its model out of memory, which costs an instance no slot and nothing else.</summary>
    public bool IsUnload { get; set; }

    /// <summary>Called when the answer is known to be whole, before its last bytes go out; null for nothing to do.</summary>
    public Func<CancellationToken, Task>? BeforeCompletion { get; set; }

    /// <summary>What the client has been sent of a streamed answer; null where that is not kept.</summary>
    public KeptAnswer? Kept { get; set; }

    /// <summary>When it was first sent to an instance, in the same ticks as <see cref="StartedAt"/>; null where it was not.</summary>
    public long? FirstSentAt { get; set; }

    /// <summary>When the last instance that sent something of the answer did so, in the same ticks; null while no answer has broken off.</summary>
    public long? SilentSince { get; set; }

    /// <summary>Whether an OpenAI stream shall end with what it took; looked up once a stream must be gone on with.</summary>
    public bool WantsUsage { get; set; }

    /// <summary>Why answers of instances broke off that were gone on with elsewhere; null for none.</summary>
    public List<Interruption>? Continued { get; set; }

    /// <summary>The model before the request changed it, for the audit log; null if it was not there.</summary>
    public System.Text.Json.Nodes.JsonObject? ModelBefore { get; set; }

    /// <summary>Why the bridge refused it, in the words that the client got; null if it did not.</summary>
    public string? Refusal { get; set; }

    /// <summary>How it ended; null: as the status says.</summary>
    public CallOutcome? Outcome { get; set; }

    /// <summary>The instance that answered.</summary>
    public Instance? AnsweredBy { get; set; }

    /// <summary>Whether it was taken from an instance that answered other routes, but no check: once at most, as the check may have waited for a slot.</summary>
    public bool WasSuspected { get; set; }

    /// <summary>How often it was sent.</summary>
    public int Attempts { get; set; }

    /// <summary>How long it waited for instances.</summary>
    public TimeSpan Queued { get; set; }

    /// <summary>When an answer could be begun, in <see cref="TimeProvider.GetTimestamp"/>'s ticks; null where none was.</summary>
    public long? AnsweredAt { get; set; }

    /// <summary>Tokens of the prompt.</summary>
    public long InputTokens { get; set; }

    /// <summary>Tokens of the answer.</summary>
    public long OutputTokens { get; set; }

    /// <summary>What of a model's instances it could use if it were asked under some name.</summary>
    public ModelPart PartOf(string? name) => new(Operation.Route, Facts.IsPlain ? name : null);

    /// <summary>From now on another model is asked than the client named, and the body says so.</summary>
    public void StandIn(ModelCandidate candidate)
    {
        ModelKey = candidate.Key;
        ModelName = candidate.Name;
        if (Facts.ModelEnd > 0)
            Body?.Replace(Facts.ModelStart, Facts.ModelEnd, candidate.Json);
    }

    /// <summary>Takes over what a kept answer took.</summary>
    public void SettleKept()
    {
        if (Kept is not { } kept)
            return;
        InputTokens = kept.End.PromptTokens ?? 0;
        OutputTokens = kept.End.Tokens ?? kept.Tokens;
    }

    /// <summary>The instance that begins to answer; null before one does.</summary>
    public Instance? Answering { get; set; }

    /// <summary>The attempts that failed; null for none.</summary>
    public FailedAttempts? Failures { get; set; }

    /// <summary>Whether it is known that the client is at fault, although an instance answered with 500 or 501.</summary>
    public bool IsRequestFault { get; set; }

    /// <summary>Whether it was changed so that fewer layers go to the GPU.</summary>
    public bool HasFewerLayers { get; set; }

    /// <summary>Whether the same request failed lately wherever it was sent: then it gets one attempt.</summary>
    public bool IsKnownToFail { get; set; }

    /// <summary>Settles what its tenant was charged, once.</summary>
    public void SettleCharge()
    {
        var charge = Charge;
        Charge = default;
        charge.Settle(AnsweredBy is not null, InputTokens, OutputTokens);
    }
}
