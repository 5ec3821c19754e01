using System.Buffers;
using System.Collections.Concurrent;
using System.IO.Hashing;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Resumption;

namespace OllamaBridge.Gateway.Forwarding.Faults;

/// <summary>Remembers for a minute which requests fail on every instance, so that repeating one costs one attempt and harms no instance.</summary>
internal sealed class RepeatedFailures(TimeProvider time)
{
    public static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(1);

    // Distinct failing requests of a minute. Above that all entries are dropped: they only save attempts.
    private const int Capacity = 4096;

    // The most errors of one request that count against an instance: fewer than open a breaker or eject.
    private const int MaxBlames = 2;
    private readonly ConcurrentDictionary<RequestKey, Memory> _requests = new();

    // The time of the last entry, 0 for none. Checked for every request, because the dictionary takes its locks to report that it is empty.
    private long _lastAdded;

    private bool IsEmpty => Volatile.Read(ref _lastAdded) is var last && (last == 0 || time.GetElapsedTime(last) >= Lifetime);

    public bool IsKnown(ForwardedCall call) => Find(call, call.Model.Key) is { FailsEverywhere: true };

    public void Add(ForwardedCall call, string model) => Set(call, model, new Memory(null, FailsEverywhere: true, time.GetTimestamp()));

    public void Remove(ForwardedCall call)
    {
        if (!IsEmpty && KeyOf(call, call.Model.Key) is { } key)
            _requests.TryRemove(key, out _);
    }

    /// <returns>False if several instances failed the request, or this one often failed it with a response (<paramref name="isTold"/>).</returns>
    public bool TryBlame(ForwardedCall call, string model, Instance instance, bool isTold)
    {
        var known = Find(call, model);
        if (known is { Blamed: null } || (known?.Blamed is { } before && before != instance))
        {
            Set(call, model, known.Value with { Blamed = null });
            return false;
        }

        var times = (known?.Times ?? 0) + 1;
        if (times <= MaxBlames)
            Set(call, model, new Memory(instance, FailsEverywhere: false, known?.Since ?? time.GetTimestamp()) { Times = times });
        return times <= MaxBlames || !isTold;
    }

    private Memory? Find(ForwardedCall call, string model)
    {
        if (IsEmpty || KeyOf(call, model) is not { } key || !_requests.TryGetValue(key, out var memory))
            return null;
        if (time.GetElapsedTime(memory.Since) < Lifetime)
            return memory;
        _requests.TryRemove(KeyValuePair.Create(key, memory));
        return null;
    }

    private void Set(ForwardedCall call, string model, Memory memory)
    {
        if (KeyOf(call, model) is not { } key)
            return;
        if (IsEmpty || _requests.Count >= Capacity)
            _requests.Clear();
        Volatile.Write(ref _lastAdded, Math.Max(1, time.GetTimestamp()));
        _requests[key] = memory;
    }

    private static RequestKey? KeyOf(ForwardedCall call, string model)
    {
        if (call.Body is not { } body)
            return null;
        return new RequestKey(call.Tenant.Id, call.Operation.Name, model, body.ReadReceived(Hash));
    }

    private static UInt128 Hash(ReadOnlySequence<byte> bytes)
    {
        var hash = new XxHash128();
        foreach (var segment in bytes)
            hash.Append(segment.Span);
        return hash.GetCurrentHashAsUInt128();
    }

    private readonly record struct RequestKey(string Tenant, string Operation, string Model, UInt128 Body);

    private readonly record struct Memory(Instance? Blamed, bool FailsEverywhere, long Since)
    {
        public int Times { get; init; }
    }
}
