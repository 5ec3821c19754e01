using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Scheduling;

/// <summary>The candidates of one decision. Reads values that change between requests once, so that all policies see the same ones.</summary>
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

    public int Count { get; private set; }

    /// <summary>Positions in <see cref="ModelView.Usable"/>.</summary>
    public ReadOnlySpan<int> Index => _index.AsSpan(0, Count);

    /// <summary>The share of slots that is free, from 0 to 1; 0 if none is.</summary>
    public ReadOnlySpan<float> Free => _free.AsSpan(0, Count);

    /// <summary>1 if the model's weights are in memory or being loaded, else 0.</summary>
    public ReadOnlySpan<float> Resident => _resident.AsSpan(0, Count);

    /// <summary>The inverse of the recent time to first token, in 1/s; 0 if unknown.</summary>
    public ReadOnlySpan<float> FirstTokenRate => _firstTokenRate.AsSpan(0, Count);

    public ReadOnlySpan<uint> Seed => _seed.AsSpan(0, Count);

    /// <summary>1 if the placement's guard restricts requests, else 0. For one caller per decision: <see cref="Keep"/> no longer updates it.</summary>
    public ReadOnlySpan<int> TakeRestricted()
    {
        _isAnyRestricted = false;
        return _restricted.AsSpan(0, Count);
    }

    public Span<float> Sum => _sum.AsSpan(0, Count);

    public bool GoSlowly { get; set; }

    public bool MayComeSoon { get; set; }

    /// <summary>Reads all usable placements of a model. Allocates only if there are more than in any earlier decision of this object.</summary>
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
        // Reserve makes all columns at least this long, so the loop uses references: bounds checks would be half of its work.
        ref var free = ref MemoryMarshal.GetArrayDataReference(_free);
        ref var resident = ref MemoryMarshal.GetArrayDataReference(_resident);
        ref var restricted = ref MemoryMarshal.GetArrayDataReference(_restricted);
        for (var i = 0; i < source.Length; i++)
        {
            ref readonly var placement = ref source[i];
            var state = placement.State;
            Unsafe.Add(ref free, i) = placement.Instance.FreeShare;
            Unsafe.Add(ref resident, i) = state.IsWarm ? 1f : 0f;
            // Read for every candidate, although rarely used: the state is in the cache now and would be a cache miss later.
            Unsafe.Add(ref restricted, i) = state.IsRestricted ? 1 : 0;
        }
    }

    public void MarkFull(int at) => _free.AsSpan(0, Count)[at] = 0;

    public Span<uint> Ranks => _ranks.AsSpan(0, Count);

    public Span<int> Positions => _positions.AsSpan(0, Count);

    /// <summary>Keeps the candidates at the first <paramref name="count"/> <see cref="Positions"/>, which must be ascending; removes the others.</summary>
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
        // A position is never less than its index, so no value is overwritten before it is read. The caller checked the last position against the length.
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
