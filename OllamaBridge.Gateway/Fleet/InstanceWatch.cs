using System.Collections.Immutable;
using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>What the fleet's owner knows of one instance, and the rules by which that changes. Used by the owner alone.</summary>
internal sealed class InstanceWatch(Instance instance)
{
    private static readonly TimeSpan HearingError = TimeSpan.FromMilliseconds(250);
    // What is configured is known before anybody has answered.
    private ImmutableArray<CatalogModel> _catalog = OpenAILook.Configured(instance);
    private ImmutableArray<LoadedModel> _loaded = [];
    private bool _catalogKnown = instance.OpenAI is { Models.IsEmpty: false };
    private string? _version;
    private ImmutableArray<string> _remarks = [];
    private string? _catalogError;
    private string? _lastError;
    private int _failedLooks;
    private long _newestLook;
    private long _newestCatalog;
    private int _ejectionsInRow;
    private bool _endedDrained;
    private bool _isLookWanted;
    private Moment _ejectedUntil;
    private Moment _heardUntil;

    /// <summary>The instance.</summary>
    public Instance Instance { get; } = instance;

    /// <summary>What the owner holds of it.</summary>
    public InstanceStatus Status { get; private set; }

    /// <summary>Whether an operator empties it.</summary>
    public bool Draining { get; private set; }

    /// <summary>By when it is to be empty; null where it may take its time, or is not emptied.</summary>
    public DateTimeOffset? DrainDeadline { get; private set; }

    /// <summary><see cref="DrainDeadline"/> in monotonic time, as computed when the drain was learned of.</summary>
    public Moment? DrainDue { get; private set; }

    /// <summary>
    /// Whether it was emptied by a time, ended, and answers again. In a pod that is the next process: its container was started anew, and
    /// whoever emptied the one before, its own hook, does not come back to say so.
    /// </summary>
    public bool IsBackFromDrain => _endedDrained && Status == InstanceStatus.Healthy;

    /// <summary>Takes in whether an operator drains it.</summary>
    /// <param name="draining">Whether it is drained.</param>
    /// <param name="deadline">When it is to be empty, by the wall clock; null for no limit.</param>
    /// <param name="due">The same in monotonic time.</param>
    public void Drain(bool draining, DateTimeOffset? deadline, Moment? due)
    {
        (Draining, DrainDeadline, DrainDue) = (draining, deadline, due);
        _endedDrained = false;
    }

    /// <summary>Whether it comes from the configuration; else an operator has added it.</summary>
    public bool IsConfigured { get; set; } = true;

    /// <summary>Since when it is known to end, or is told of no longer; null where it is wanted.</summary>
    public Moment? LeavingSince { get; set; }

    /// <summary>Whether it is told of no longer: once it has nothing to do, it goes.</summary>
    public bool IsUnlisted { get; set; }

    /// <summary>Why it is not what it is configured to be, where it answers so; else null.</summary>
    public string? Mistake { get; private set; }

    /// <summary>When to look next.</summary>
    public Moment NextLook { get; private set; }

    /// <summary>When to read the model list next.</summary>
    public Moment NextCatalog { get; set; }

    /// <summary>Until when it is ejected by this gateway's own finding; in the past where it is not.</summary>
    public Moment OwnEjectionUntil { get; private set; }

    /// <summary>Whether a list of models is still being read that takes longer than a look.</summary>
    public bool IsCatalogLate { get; set; }

    /// <summary>The look in progress, if any.</summary>
    public Task? Look { get; set; }

    /// <summary>Takes in what a look found.</summary>
    /// <returns>True where the status changed.</returns>
    public bool Apply(ProbeResult result, HealthOptions options, Moment now)
    {
        var before = Status;
        // Two looks may overlap; what was asked earlier says nothing over what was asked later.
        if (result.AskedAt < _newestLook)
        {
            // The model list, though, may be the newest: not every look asks for it.
            TakeCatalog(result, options, now);
            return false;
        }

        _newestLook = result.AskedAt;
        Mistake = result.IsMistaken ? result.Error : null;
        if (Instance.IsPeer)
            Instance.TakeLoad(result.Region, result.SlotsUsed);
        if (result.Error is null)
        {
            _failedLooks = 0;
            _version = result.Version;
            _remarks = result.Remarks;
            if (!result.Loaded.IsDefault)
                _loaded = result.Loaded;
            TakeCatalog(result, options, now);
            if (now < _ejectedUntil)
                Status = InstanceStatus.Ejected;
            else if (_catalogKnown)
                Recover();
            else
                _lastError = _catalogError;
        }
        else
        {
            _lastError = result.Error;
            _failedLooks++;
            if (result.Refused || Status != InstanceStatus.Healthy || _failedLooks >= options.FailuresToEject)
                Status = Status == InstanceStatus.Unknown && !result.Refused && _failedLooks < options.FailuresToEject
                    ? InstanceStatus.Unknown
                    : InstanceStatus.Unhealthy;
            // Nobody listens: what comes back is another process, which has nothing to answer for.
            if (result.Refused)
                _ejectedUntil = OwnEjectionUntil = default;
            _endedDrained |= result.Refused && DrainDeadline is not null && Instance.Incarnation is not null;
            // Whoever was away may come back with other models.
            NextCatalog = now;
        }

        if (_isLookWanted)
        {
            // What was asked before the change says nothing of it.
            _isLookWanted = false;
            NextLook = now;
            return before != Status;
        }

        NextLook = Status == InstanceStatus.Ejected
            ? Moment.Min(_ejectedUntil, now + options.Interval)
            : now + (Instance.Peer?.PollInterval ?? (Status == InstanceStatus.Healthy ? options.Interval : options.RecoveryInterval));
        return before != Status;
    }

    /// <summary>Takes in a list of models that came late.</summary>
    /// <returns>True where the status changed.</returns>
    public bool Apply(CatalogResult result, HealthOptions options, Moment now)
    {
        IsCatalogLate = false;
        if (result.AskedAt < _newestCatalog)
            return false;
        // One that takes its time is asked for less often, so that it does not do that alone.
        var pause = 3 * result.Took;
        NextCatalog = now + (pause > options.CatalogInterval ? pause : options.CatalogInterval);
        _catalogError = result.Error;
        if (result.Error is null)
        {
            _newestCatalog = result.AskedAt;
            _catalog = result.Catalog;
            _catalogKnown = true;
        }

        // Whether it still answers the next look shows.
        if (Status == InstanceStatus.Unknown)
        {
            _lastError = result.Error;
            NextLook = now;
        }

        return false;
    }

    /// <summary>Takes in that requests failed there.</summary>
    /// <returns>True where the status changed.</returns>
    public bool Eject(InstanceFailure failure, HealthOptions options, Moment now)
    {
        if (Status != InstanceStatus.Healthy)
            return false;
        _lastError = failure switch
        {
            InstanceFailure.Refused => "refused a connection",
            InstanceFailure.ServerError => "answered several requests in a row with a server error",
            InstanceFailure.TimedOut => "let several requests in a row time out",
            _ => "broke several requests in a row",
        };
        if (failure == InstanceFailure.Refused)
        {
            // Nothing listens: the next look tells at once when that changes, so no sentence is needed.
            Status = InstanceStatus.Unhealthy;
            NextLook = now;
            NextCatalog = now;
            return true;
        }

        var time = Backoff.Next(options.EjectionTime, options.MaxEjectionTime, _ejectionsInRow++);
        Status = InstanceStatus.Ejected;
        _ejectedUntil = OwnEjectionUntil = now + time;
        NextLook = Moment.Min(_ejectedUntil, now + options.Interval);
        NextCatalog = now;
        return true;
    }

    /// <summary>Takes in that requests of another gateway failed there.</summary>
    /// <returns>True where the status changed.</returns>
    public bool EjectUntil(Moment until, HealthOptions options, Moment now)
    {
        // The same sentence is heard again and again, each time a little off.
        if ((until - _heardUntil).Duration() < HearingError)
            return false;
        // Longer than any ejection lasts: the shared store's clock was set back.
        if (until - now > options.MaxEjectionTime)
            return false;
        _heardUntil = until;
        if (Status is not (InstanceStatus.Healthy or InstanceStatus.Ejected) || until <= _ejectedUntil || until <= now)
            return false;
        var changed = Status != InstanceStatus.Ejected;
        _lastError = "failed several requests of another gateway in a row";
        Status = InstanceStatus.Ejected;
        _ejectedUntil = until;
        NextLook = Moment.Min(until, now + options.Interval);
        NextCatalog = now;
        return changed;
    }

    /// <summary>A request was answered: the next ejection, if there is one, starts short again.</summary>
    public void Praise() => _ejectionsInRow = 0;

    /// <summary>Looks again as soon as a look that is under way has ended.</summary>
    public void LookSoon(Moment now)
    {
        NextLook = Moment.Min(NextLook, now);
        _isLookWanted = Look is not null;
    }

    /// <summary>Looks again without waiting.</summary>
    public void LookNow(Moment now)
    {
        NextLook = now;
        NextCatalog = now;
    }

    /// <summary>What an OpenAI server serves is in its memory.</summary>
    private ImmutableArray<LoadedModel> Loaded => Instance.OpenAI is null ? _loaded : OpenAILook.Loaded(_catalog);

    /// <summary>What the snapshot shows of it.</summary>
    public InstanceView ToView() =>
        new(Instance, Status, Draining || LeavingSince is not null, _catalogKnown, _catalog, Loaded, _version, Status == InstanceStatus.Healthy ? null : _lastError)
        {
            IsConfigured = IsConfigured,
            IsLeaving = LeavingSince is not null,
            DrainDeadline = DrainDeadline,
            DrainDue = DrainDue,
            Remarks = Status == InstanceStatus.Healthy && _catalogError is not null ? _remarks.Add($"{_catalogError}; the list from before is used") : _remarks,
        };

    private void TakeCatalog(ProbeResult result, HealthOptions options, Moment now)
    {
        if (result.CatalogError is not null)
        {
            _catalogError = result.CatalogError;
            NextCatalog = now + options.CatalogInterval;
            return;
        }

        if (result.Catalog.IsDefault || result.AskedAt < _newestCatalog)
            return;
        _catalogError = null;
        _newestCatalog = result.AskedAt;
        _catalog = result.Catalog;
        _catalogKnown = true;
        NextCatalog = now + options.CatalogInterval;
    }

    private void Recover()
    {
        Status = InstanceStatus.Healthy;
        _lastError = null;
    }
}
