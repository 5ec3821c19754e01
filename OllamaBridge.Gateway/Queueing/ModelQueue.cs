using System.Runtime.InteropServices;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.Scheduling;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Queueing;

/// <summary>Identifies a queue: a model (empty if any instance will do) and the instances that may serve it. <paramref name="Stays"/>: its requests wait longer
/// for this region's instances, in their own queue so that they don't block the others.</summary>
internal readonly record struct QueueKey(string Model, InstanceAccess? Access = null, ModelPart Part = default, bool Stays = false)
{
    public ModelView? Find(FleetSnapshot fleet) => fleet.For(Access).Find(Model, Part);
}

/// <summary>The waiting requests of one model: first retries and requests without a slot, then interactive requests, then batch requests.</summary>
/// <remarks>Guarded by the queue's lock, except the counters and <see cref="Service"/>.</remarks>
internal sealed class ModelQueue(QueueKey key)
{
    private readonly ClassQueue[] _classes = [new(), new()];

    public QueueKey Key { get; } = key;

    /// <summary>Recent time for which a request occupied a slot, in seconds.</summary>
    public Ewma Service { get; } = new(0.1);

    /// <summary>Requests that neither wait behind others nor block others: retries and requests without a slot.</summary>
    public LinkedList<Waiter> Front { get; } = new();

    public ClassQueue this[Priority priority] => _classes[(int)priority];

    public int Count => Front.Count + _classes[0].Count + _classes[1].Count;

    public Waiter? First => Front.First?.Value ?? this[Priority.Interactive].First ?? this[Priority.Batch].First;

    public Waiter? Next { get; private set; }

    /// <summary>The outcome for <see cref="Next"/> if it must wait, which applies to all requests behind it. Null if not yet tried.</summary>
    public SchedulingOutcome? Blocked { get; set; }

    public void Choose() => Next = this[Priority.Interactive].Next() ?? this[Priority.Batch].Next();

    public void Add(Waiter waiter)
    {
        if (waiter.Request.Instances.Tried is not null)
            waiter.Node = AddToFront(waiter);
        else if (!waiter.Request.NeedsSlot)
            waiter.Node = Front.AddLast(waiter);
        else
            this[waiter.Class].Add(waiter);
    }

    /// <summary>Adds a retry behind earlier retries and before all other requests.</summary>
    private LinkedListNode<Waiter> AddToFront(Waiter waiter)
    {
        var after = Front.Last;
        while (after is not null && after.Value.Request.Instances.Tried is null)
            after = after.Previous;
        return after is null ? Front.AddFirst(waiter) : Front.AddAfter(after, waiter);
    }

    public void Remove(Waiter waiter)
    {
        if (waiter.Line is null)
            Front.Remove(waiter.Node!);
        else
            this[waiter.Class].Remove(waiter);
        waiter.Node = null;
    }

    /// <summary>Moves batch requests that arrived before a time, in ticks, to the interactive class.</summary>
    public void Promote(long before)
    {
        var batch = this[Priority.Batch];
        for (var i = batch.Lines.Length - 1; i >= 0; i--)
        {
            var line = batch.Lines[i];
            while (line.Waiters.First?.Value is { } waiter && waiter.Since <= before)
            {
                batch.Counters.Leave(line.Tokens);
                batch.Remove(waiter);
                waiter.Class = Priority.Interactive;
                this[Priority.Interactive].Add(waiter);
            }
        }
    }

    /// <summary>The approximate position of a request in the queue, from 1. <paramref name="waiter"/> is null for a new request.</summary>
    public int Position(Tenant tenant, Priority priority, Waiter? waiter = null)
    {
        if (waiter is { Line: null })
            return 1;
        var ahead = Front.Count + this[priority].Ahead(tenant, waiter);
        return 1 + ahead + (priority == Priority.Batch ? this[Priority.Interactive].Count : 0);
    }
}

/// <summary>The requests of one class for one model, in a line per tenant.</summary>
internal sealed class ClassQueue
{
    private readonly List<TenantLine> _lines = [];

    public VirtualCounters Counters { get; } = new();

    /// <summary>The tenants with waiting requests; no line is empty.</summary>
    public ReadOnlySpan<TenantLine> Lines => CollectionsMarshal.AsSpan(_lines);

    public int Count { get; private set; }

    public Waiter? First => _lines is [var line, ..] ? line.Waiters.First!.Value : null;

    public Waiter? Next() => FairShare.Next(Lines) is >= 0 and var next ? _lines[next].Waiters.First!.Value : null;

    /// <summary>The arrival of the oldest request, in ticks; <see cref="long.MaxValue"/> for none.</summary>
    public long OldestSince()
    {
        var oldest = long.MaxValue;
        foreach (var line in _lines)
            oldest = Math.Min(oldest, line.Waiters.First!.Value.Since);
        return oldest;
    }

    public void Add(Waiter waiter)
    {
        var counter = Counters.Join(waiter.Tenant.Id);
        var line = Find(waiter.Tenant.Id) is >= 0 and var at ? _lines[at] : null;
        if (line is null)
            _lines.Add(line = new TenantLine(counter));
        line.Weight = Weight(waiter.Tenant);
        waiter.Line = line;
        var before = line.Waiters.Last;
        while (before is not null && before.Value.Order > waiter.Order)
            before = before.Previous;
        waiter.Node = before is null ? line.Waiters.AddFirst(waiter) : line.Waiters.AddAfter(before, waiter);
        Count++;
    }

    /// <summary>Removes a request. The caller updates the counters.</summary>
    public void Remove(Waiter waiter)
    {
        var line = waiter.Line!;
        line.Waiters.Remove(waiter.Node!);
        waiter.Line = null;
        if (line.Waiters.Count == 0)
            _lines.Remove(line);
        Count--;
    }

    public Waiter? Youngest(string tenant) => Find(tenant) is >= 0 and var at ? _lines[at].Waiters.Last!.Value : null;

    public int Ahead(Tenant tenant, Waiter? waiter)
    {
        var self = Find(tenant.Id);
        var own = self < 0 ? 0 : _lines[self].Waiters.Count;
        if (waiter is { Node: not null })
        {
            own = 0;
            for (var node = waiter.Node.Previous; node is not null; node = node.Previous)
                own++;
        }

        return FairShare.Ahead(own, Weight(tenant), Lines, self);
    }

    public static double Weight(Tenant tenant) => tenant.Weight is > 0 and < double.PositiveInfinity ? tenant.Weight : 1;

    private int Find(string tenant)
    {
        for (var i = 0; i < _lines.Count; i++)
            if (_lines[i].Tokens.Tenant == tenant)
                return i;
        return -1;
    }
}

/// <summary>The waiting requests of one tenant, in order of arrival.</summary>
internal sealed class TenantLine(TenantCounter tokens) : IContender
{
    public TenantCounter Tokens { get; } = tokens;

    public LinkedList<Waiter> Waiters { get; } = new();

    public double Weight { get; set; } = 1;

    public double Counter => Tokens.Value;

    public long Arrival => Waiters.First!.Value.Order;

    public int Waiting => Waiters.Count;
}
