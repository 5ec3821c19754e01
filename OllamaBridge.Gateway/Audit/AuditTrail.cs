using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Audit;

/// <summary>Records changes: logs each change and writes it to the store.</summary>
internal sealed class AuditTrail
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
    private readonly IAuditStore _store;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly string _bridge = Dns.GetHostName();
    private readonly int _attemptsPerMinute;
    private readonly Dictionary<string, int> _attempts = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private long _minuteSince;
    private long _lastTime;
    private uint _sequence;

    public AuditTrail(IAuditStore store, IOptions<AuditOptions> options, TimeProvider time, ILoggerFactory loggers)
    {
        _store = store;
        _time = time;
        _logger = loggers.CreateLogger(TelemetryNames.AuditCategory);
        _attemptsPerMinute = options.Value.AttemptsPerMinute;
    }

    /// <summary>Records a change without a request. <paramref name="before"/> is null for an added target, <paramref name="after"/> for a removed one,
    /// <paramref name="failure"/> if the change was made.</summary>
    public void Record(string actor, string action, string target, JsonNode? before, JsonNode? after, string? failure = null) =>
        Record(
            new AuditChange(action, target, before, after) { Reason = failure, Outcome = failure is null ? AuditOutcomes.Done : AuditOutcomes.Failed },
            new AuditCaller(actor));

    public void Record(AuditChange change, AuditCaller caller)
    {
        var now = _time.GetWallClock().ToUniversalTime();
        var entry = new AuditEntry
        {
            Id = NextId(now),
            Time = now,
            Bridge = _bridge,
            Actor = caller.Actor,
            Key = caller.Key,
            Tenant = caller.Tenant,
            Address = caller.Address,
            RequestId = caller.RequestId,
            Action = change.Action,
            Target = AuditText.Clean(change.Target),
            Outcome = change.Outcome,
            Status = change.Status,
            Reason = AuditText.CleanOrNull(change.Reason),
            Before = change.Before,
            After = change.After,
        };
        AuditLog.Write(_logger, entry);
        // Entries that any client can cause repeatedly must not evict changes from the store.
        if (entry is { Outcome: AuditOutcomes.Done, Action: not AuditActions.ModelUnload } || MayKeepAttempt(caller.Tenant ?? ""))
            _store.Write(entry);
    }

    /// <summary>An id that sorts after every earlier one of this process, even if the clock is set back.</summary>
    private string NextId(DateTimeOffset now)
    {
        lock (_lock)
        {
            _lastTime = Math.Max(_lastTime, now.ToUnixTimeMilliseconds());
            return string.Create(CultureInfo.InvariantCulture, $"{_lastTime:x12}{_sequence++:x8}{RandomNumberGenerator.GetHexString(8, lowercase: true)}");
        }
    }

    private bool MayKeepAttempt(string tenant)
    {
        lock (_lock)
        {
            if (_minuteSince == 0 || _time.GetElapsedTime(_minuteSince) >= Minute)
            {
                _attempts.Clear();
                _minuteSince = Math.Max(1, _time.GetTimestamp());
            }

            _attempts[tenant] = _attempts.GetValueOrDefault(tenant) + 1;
            return _attempts[tenant] <= _attemptsPerMinute;
        }
    }
}

/// <summary>A change and its result. <c>Before</c> and <c>After</c> are null under the same conditions as in <see cref="AuditEntry"/>.</summary>
internal sealed record AuditChange(string Action, string Target, JsonNode? Before, JsonNode? After)
{
    /// <summary>A value of <see cref="AuditOutcomes"/>.</summary>
    public required string Outcome { get; init; }

    public int? Status { get; init; }

    public string? Reason { get; init; }
}
