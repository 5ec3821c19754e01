using System.Runtime.InteropServices;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Identity;
using OllamaBridge.Gateway.Scheduling;

namespace OllamaBridge.Gateway.Admission;

/// <summary>What is waited for: a model, on the same instances.</summary>
/// <param name="Model">The model's canonical name; empty where any instance will do.</param>
/// <param name="Access">The instances that will do; null for any.</param>
/// <param name="Part">The part of the model that will do; the default for all of it.</param>
/// <param name="Stays">Whether instances of this region are to be waited for longer than by others, whom that must not hold up.</param>
internal readonly record struct QueueKey(string Model, InstanceAccess? Access = null, ModelPart Part = default, bool Stays = false);

/// <summary>Who waits for one model: first those that are sent again or need no slot, then interactive requests, then batch.</summary>
/// <remarks>Used under the queue's lock, but for the counters and <see cref="Service"/>.</remarks>
internal sealed class ModelQueue(QueueKey key)
{
    private readonly ClassQueue[] _classes = [new(), new()];

    /// <summary>What is waited for.</summary>
    public QueueKey Key { get; } = key;

    /// <summary>How long one request for it occupied a slot, lately, in seconds.</summary>
    public Ewma Service { get; } = new(0.1);

    /// <summary>Those that neither stand behind others nor hold others up.</summary>
    public LinkedList<Waiter> Front { get; } = new();

    /// <summary>Those of one class.</summary>
    public ClassQueue this[Priority priority] => _classes[(int)priority];

    /// <summary>How many wait.</summary>
    public int Count => Front.Count + _classes[0].Count + _classes[1].Count;

    /// <summary>Whose turn it is; null where it is nobody's.</summary>
    public Waiter? Next { get; private set; }

    /// <summary>What <see cref="Next"/> met with, if it has to wait on; whoever stands behind meets with the same.</summary>
    public SchedulingOutcome? Blocked { get; set; }

    /// <summary>Finds whose turn it is.</summary>
    public void Choose() => Next = this[Priority.Interactive].Next() ?? this[Priority.Batch].Next();

    /// <summary>Puts a request where it belongs.</summary>
    public void Add(Waiter waiter)
    {
        if (waiter.Request.Tried is not null)
            waiter.Node = AddToFront(waiter);
        else if (!waiter.Request.NeedsSlot)
            waiter.Node = Front.AddLast(waiter);
        else
            this[waiter.Class].Add(waiter);
    }

    /// <summary>Behind those that are sent again and came earlier, before all others.</summary>
    private LinkedListNode<Waiter> AddToFront(Waiter waiter)
    {
        var after = Front.Last;
        while (after is not null && after.Value.Request.Tried is null)
            after = after.Previous;
        return after is null ? Front.AddFirst(waiter) : Front.AddAfter(after, waiter);
    }

    /// <summary>Takes a request out.</summary>
    public void Remove(Waiter waiter)
    {
        if (waiter.Line is null)
            Front.Remove(waiter.Node!);
        else
            this[waiter.Class].Remove(waiter);
        waiter.Node = null;
    }

    /// <summary>Lets batch that came before a moment count as interactive.</summary>
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

    /// <summary>About the how-manyth a request is, from 1.</summary>
    /// <param name="tenant">Whose.</param>
    /// <param name="priority">Its class.</param>
    /// <param name="waiter">The request where it waits already; null for one that comes.</param>
    public int Position(Tenant tenant, Priority priority, Waiter? waiter = null)
    {
        if (waiter is { Line: null })
            return 1;
        var ahead = Front.Count + this[priority].Ahead(tenant, waiter);
        return 1 + ahead + (priority == Priority.Batch ? this[Priority.Interactive].Count : 0);
    }
}

/// <summary>The requests of one class for one model: a line for each tenant.</summary>
internal sealed class ClassQueue
{
    private readonly List<TenantLine> _lines = [];

    /// <summary>What each tenant has had.</summary>
    public VirtualCounters Counters { get; } = new();

    /// <summary>The tenants' lines; none is empty.</summary>
    public ReadOnlySpan<TenantLine> Lines => CollectionsMarshal.AsSpan(_lines);

    /// <summary>How many wait.</summary>
    public int Count { get; private set; }

    /// <summary>Whose turn it is.</summary>
    public Waiter? Next() => FairShare.Next(Lines) is >= 0 and var next ? _lines[next].Waiters.First!.Value : null;

    /// <summary>When the first came.</summary>
    public long OldestSince()
    {
        var oldest = long.MaxValue;
        foreach (var line in _lines)
            oldest = Math.Min(oldest, line.Waiters.First!.Value.Since);
        return oldest;
    }

    /// <summary>Puts a request into its tenant's line, in the order in which they came.</summary>
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

    /// <summary>Takes a request out; the counters are the caller's business.</summary>
    public void Remove(Waiter waiter)
    {
        var line = waiter.Line!;
        line.Waiters.Remove(waiter.Node!);
        waiter.Line = null;
        if (line.Waiters.Count == 0)
            _lines.Remove(line);
        Count--;
    }

    /// <summary>The youngest of a tenant; null for none.</summary>
    public Waiter? Youngest(string tenant) => Find(tenant) is >= 0 and var at ? _lines[at].Waiters.Last!.Value : null;

    /// <summary>About how many of the class are served before a request.</summary>
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

    /// <summary>A weight that can be divided by.</summary>
    public static double Weight(Tenant tenant) => tenant.Weight is > 0 and < double.PositiveInfinity ? tenant.Weight : 1;

    private int Find(string tenant)
    {
        for (var i = 0; i < _lines.Count; i++)
            if (_lines[i].Tokens.Tenant == tenant)
                return i;
        return -1;
    }
}

/// <summary>The requests of one tenant, first come first served.</summary>
internal sealed class TenantLine(TenantCounter tokens) : IContender
{
    /// <summary>What the tenant has had.</summary>
    public TenantCounter Tokens { get; } = tokens;

    /// <summary>Its requests.</summary>
    public LinkedList<Waiter> Waiters { get; } = new();

    /// <inheritdoc/>
    public double Weight { get; set; } = 1;

    /// <inheritdoc/>
    public double Counter => Tokens.Value;

    /// <inheritdoc/>
    public long Arrival => Waiters.First!.Value.Order;

    /// <inheritdoc/>
    public int Waiting => Waiters.Count;
}
