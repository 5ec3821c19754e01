using System.Collections.Immutable;
using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Fleet;

/// <summary>The fleet owner's state of one instance and its transitions. Used only by the owner.</summary>
internal sealed class InstanceWatch(Instance instance)
{
    private static readonly TimeSpan HearingError = TimeSpan.FromMilliseconds(250);
    // Configured models are known before the first probe.
    private ImmutableArray<CatalogModel> _catalog = OpenAIProbe.Configured(instance);
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
    private bool _isProbeRequested;
    private Moment _ejectedUntil;
    private Moment _heardUntil;

    public Instance Instance { get; } = instance;

    public InstanceStatus Status { get; private set; }

    public bool Draining { get; private set; }

    public DateTimeOffset? DrainDeadline { get; private set; }

    /// <summary><see cref="DrainDeadline"/> in monotonic time, computed when the directive arrived.</summary>
    public Moment? DrainDue { get; private set; }

    /// <summary>Whether it ended after a drain with a deadline and is healthy again: a new process, whose drain no hook would end.</summary>
    public bool IsBackFromDrain => _endedDrained && Status == InstanceStatus.Healthy;

    /// <summary>The deadline is given by the wall clock and in monotonic time (<paramref name="due"/>); null for none.</summary>
    public void Drain(bool draining, DateTimeOffset? deadline, Moment? due)
    {
        (Draining, DrainDeadline, DrainDue) = (draining, deadline, due);
        _endedDrained = false;
    }

    public bool IsConfigured { get; set; } = true;

    /// <summary>Since when it is shutting down or no longer discovered; null if neither.</summary>
    public Moment? LeavingSince { get; set; }

    /// <summary>Whether discovery no longer finds it: it is removed once it is idle.</summary>
    public bool IsUnlisted { get; set; }

    /// <summary>Why it is not the configured kind of server, although it responds; else null.</summary>
    public string? Mistake { get; private set; }

    public Moment NextProbe { get; private set; }

    public Moment NextCatalog { get; set; }

    /// <summary>The end of this gateway's own ejection; in the past if there is none.</summary>
    public Moment OwnEjectionUntil { get; private set; }

    public bool IsCatalogLate { get; set; }

    public Task? Probe { get; set; }

    /// <returns>True if the status changed.</returns>
    public bool Apply(ProbeResult result, HealthOptions options, Moment now)
    {
        var before = Status;
        // Probes may overlap: a result never overrides that of a later probe.
        if (result.AskedAt < _newestLook)
        {
            // The model list may still be the newest: not every probe requests it.
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
            // The connection was refused: the server will come back as another process, without the failures of this one.
            if (result.Refused)
                _ejectedUntil = OwnEjectionUntil = default;
            _endedDrained |= result.Refused && DrainDeadline is not null && Instance.Incarnation is not null;
            // After an outage the instance may have other models.
            NextCatalog = now;
        }

        if (_isProbeRequested)
        {
            // A probe that began before the change does not show it.
            _isProbeRequested = false;
            NextProbe = now;
            return before != Status;
        }

        NextProbe = Status == InstanceStatus.Ejected
            ? Moment.Min(_ejectedUntil, now + options.Interval)
            : now + (Instance.Peer?.PollInterval ?? (Status == InstanceStatus.Healthy ? options.Interval : options.RecoveryInterval));
        return before != Status;
    }

    /// <returns>True if the status changed.</returns>
    public bool Apply(CatalogResult result, HealthOptions options, Moment now)
    {
        IsCatalogLate = false;
        if (result.AskedAt < _newestCatalog)
            return false;
        // A slow list is read less often, so that the server is not busy with lists alone.
        var pause = 3 * result.Took;
        NextCatalog = now + (pause > options.CatalogInterval ? pause : options.CatalogInterval);
        _catalogError = result.Error;
        if (result.Error is null)
        {
            _newestCatalog = result.AskedAt;
            _catalog = result.Catalog;
            _catalogKnown = true;
        }

        // The next probe shows whether it still responds.
        if (Status == InstanceStatus.Unknown)
        {
            _lastError = result.Error;
            NextProbe = now;
        }

        return false;
    }

    /// <returns>True if the status changed.</returns>
    public bool Eject(InstanceFailure failure, HealthOptions options, Moment now)
    {
        if (Status != InstanceStatus.Healthy)
            return false;
        _lastError = failure switch
        {
            InstanceFailure.Refused => "refused a connection",
            InstanceFailure.ServerError => "responded to consecutive requests with a server error",
            InstanceFailure.TimedOut => "timed out on consecutive requests",
            _ => "broke the connection of consecutive requests",
        };
        if (failure == InstanceFailure.Refused)
        {
            // A refused connection: the next probe detects recovery at once, so no ejection time is needed.
            Status = InstanceStatus.Unhealthy;
            NextProbe = now;
            NextCatalog = now;
            return true;
        }

        var time = Backoff.Next(options.EjectionTime, options.MaxEjectionTime, _ejectionsInRow++);
        Status = InstanceStatus.Ejected;
        _ejectedUntil = OwnEjectionUntil = now + time;
        NextProbe = Moment.Min(_ejectedUntil, now + options.Interval);
        NextCatalog = now;
        return true;
    }

    /// <summary>Ejects the instance because requests of another gateway failed. Returns whether the status changed.</summary>
    public bool EjectUntil(Moment until, HealthOptions options, Moment now)
    {
        // Each exchange repeats the same ejection with slightly different times.
        if ((until - _heardUntil).Duration() < HearingError)
            return false;
        // Longer than any ejection: the shared store's clock was set back.
        if (until - now > options.MaxEjectionTime)
            return false;
        _heardUntil = until;
        if (Status is not (InstanceStatus.Healthy or InstanceStatus.Ejected) || until <= _ejectedUntil || until <= now)
            return false;
        var changed = Status != InstanceStatus.Ejected;
        _lastError = "failed consecutive requests of another gateway";
        Status = InstanceStatus.Ejected;
        _ejectedUntil = until;
        NextProbe = Moment.Min(until, now + options.Interval);
        NextCatalog = now;
        return changed;
    }

    public void ResetEjectionTime() => _ejectionsInRow = 0;

    /// <summary>Probes again as soon as the probe in progress has ended.</summary>
    public void ProbeSoon(Moment now)
    {
        NextProbe = Moment.Min(NextProbe, now);
        _isProbeRequested = Probe is not null;
    }

    public void ProbeNow(Moment now)
    {
        NextProbe = now;
        NextCatalog = now;
    }

    private ImmutableArray<LoadedModel> Loaded => Instance.OpenAI is null ? _loaded : OpenAIProbe.Loaded(_catalog);

    public InstanceView ToView() =>
        new(
            Instance, Status, Draining || LeavingSince is not null, _catalogKnown, _catalog, Loaded, _version,
            Status == InstanceStatus.Healthy ? null : _lastError)
        {
            IsConfigured = IsConfigured,
            IsLeaving = LeavingSince is not null,
            DrainDeadline = DrainDeadline,
            DrainDue = DrainDue,
            Remarks = Status == InstanceStatus.Healthy && _catalogError is not null ? _remarks.Add($"{_catalogError}; the previous list is used") : _remarks,
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
