using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Scheduling;

/// <summary>
/// The instances under consideration: what changes from request to request, read once so that all policies see the same. A column
/// for each property, so that a policy over a thousand of them is a handful of vector instructions.
/// </summary>
internal sealed class Candidates
{
    private int[] _index = [];
    private float[] _free = [];
    private float[] _resident = [];
    private float[] _firstTokenRate = [];
    private float[] _sum = [];
    private uint[] _seed = [];
    private int[] _restricted = [];
    private bool _isAnyRestricted;
    private int[] _identity = [];
    private int[] _positions = [];
    private uint[] _ranks = [];

    /// <summary>How many there are still.</summary>
    public int Count { get; private set; }

    /// <summary>Positions in <see cref="ModelView.Usable"/>.</summary>
    public ReadOnlySpan<int> Index => _index.AsSpan(0, Count);

    /// <summary>The share of slots that is free, from 0 to 1; 0 for none.</summary>
    public ReadOnlySpan<float> Free => _free.AsSpan(0, Count);

    /// <summary>1 where the model's weights are in memory or on their way there, else 0.</summary>
    public ReadOnlySpan<float> Resident => _resident.AsSpan(0, Count);

    /// <summary>One over the seconds to the first token, lately; 0 where unknown.</summary>
    public ReadOnlySpan<float> FirstTokenRate => _firstTokenRate.AsSpan(0, Count);

    /// <summary>The instances' numbers for rendezvous hashing.</summary>
    public ReadOnlySpan<uint> Seed => _seed.AsSpan(0, Count);

    /// <summary>1 where requests may have to be kept away, else 0; for the first who asks, while they are still those that were gathered or what others kept of them.</summary>
    public ReadOnlySpan<int> TakeRestricted()
    {
        _isAnyRestricted = false;
        return _restricted.AsSpan(0, Count);
    }

    /// <summary>The weighted sums of scores so far.</summary>
    public Span<float> Sum => _sum.AsSpan(0, Count);

    /// <summary>Whether one that has only just come back need not take all there is: others can.</summary>
    public bool GoSlowly { get; set; }

    /// <summary>Whether some that may not serve now may serve soon.</summary>
    public bool MayComeSoon { get; set; }

    /// <summary>Reads all that may be given work. Allocates where there were never so many before.</summary>
    public void Gather(ModelView model)
    {
        var source = model.Usable.AsSpan();
        Reserve(source.Length);
        Count = source.Length;
        GoSlowly = MayComeSoon = false;
        _isAnyRestricted = model.State.Restricted != 0;
        model.Seeds.CopyTo(_seed);
        model.FirstTokenRates.CopyTo(_firstTokenRate);
        _identity.AsSpan(0, Count).CopyTo(_index);
        Sum.Clear();
        // All columns are at least as long (Reserve), so the loop goes by references: checks would be half of its work.
        ref var free = ref MemoryMarshal.GetArrayDataReference(_free);
        ref var resident = ref MemoryMarshal.GetArrayDataReference(_resident);
        ref var restricted = ref MemoryMarshal.GetArrayDataReference(_restricted);
        for (var i = 0; i < source.Length; i++)
        {
            ref readonly var placement = ref source[i];
            var state = placement.State;
            Unsafe.Add(ref free, i) = placement.Instance.FreeShare;
            Unsafe.Add(ref resident, i) = state.IsWarm ? 1f : 0f;
            // Always, though mostly for nothing: what it is read from is at hand now, and far away later.
            Unsafe.Add(ref restricted, i) = state.IsRestricted ? 1 : 0;
        }
    }

    /// <summary>Treats a candidate as one without a free slot.</summary>
    public void MarkFull(int at) => _free.AsSpan(0, Count)[at] = 0;

    /// <summary>Room for a number for each candidate.</summary>
    public Span<uint> Ranks => _ranks.AsSpan(0, Count);

    /// <summary>Room for the positions that a filter keeps; as long as there are candidates.</summary>
    public Span<int> Positions => _positions.AsSpan(0, Count);

    /// <summary>Keeps those at the first so many <see cref="Positions"/>, which rise; forgets the others.</summary>
    public void Keep(int count)
    {
        if (count < Count)
        {
            var positions = _positions.AsSpan(0, count);
            if (count > 0)
                ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)positions[^1], (uint)Count);
            Move(_index, positions);
            Move(_free, positions);
            Move(_resident, positions);
            Move(_firstTokenRate, positions);
            Move(_seed, positions);
            if (_isAnyRestricted)
                Move(_restricted, positions);
        }

        Count = count;
    }

    private static void Move<T>(T[] column, ReadOnlySpan<int> positions)
    {
        // A position never lies before its place, so nothing is overwritten that is still needed; nor beyond the column, of which the last was checked.
        ref var cells = ref MemoryMarshal.GetArrayDataReference(column);
        for (var i = 0; i < positions.Length; i++)
            Unsafe.Add(ref cells, i) = Unsafe.Add(ref cells, positions[i]);
    }

    private void Reserve(int count)
    {
        if (_index.Length >= count)
            return;
        var length = Math.Max(64, count);
        _index = new int[length];
        _free = new float[length];
        _resident = new float[length];
        _firstTokenRate = new float[length];
        _sum = new float[length];
        _seed = new uint[length];
        _restricted = new int[length];
        _identity = [.. Enumerable.Range(0, length)];
        _ranks = new uint[length];
        _positions = new int[length];
    }
}
