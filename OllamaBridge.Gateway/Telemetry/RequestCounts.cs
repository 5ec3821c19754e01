using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace OllamaBridge.Gateway.Telemetry;

/// <summary>
/// What is counted of every request: how many there are and were, and their tokens. Counted here and read when somebody collects, which costs a
/// request less than handing each number to whoever listens.
/// </summary>
internal sealed class RequestCounts
{
    // One for each combination of labels, which are bounded.
    private readonly ConcurrentDictionary<RequestLabels, Count> _requests = new();
    private readonly ConcurrentDictionary<string, TokenCount> _tokens = new(StringComparer.Ordinal);
    private long _inFlight;

    /// <summary>Lets the counts be read.</summary>
    /// <param name="meter">By whom.</param>
    public RequestCounts(Meter meter)
    {
        meter.CreateObservableCounter(TelemetryNames.Requests, () => _requests.Select(r => new Measurement<long>(
            Volatile.Read(ref r.Value.Value),
            new KeyValuePair<string, object?>(TelemetryNames.OperationLabel, r.Key.Operation),
            new KeyValuePair<string, object?>(TelemetryNames.ProtocolLabel, r.Key.Protocol),
            new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, r.Key.Model),
            new KeyValuePair<string, object?>(TelemetryNames.StatusLabel, Labels.OfStatus(r.Key.Status)),
            new KeyValuePair<string, object?>(TelemetryNames.OutcomeLabel, r.Key.Outcome))), "{request}", "Requests that have ended.");
        meter.CreateObservableUpDownCounter(
            TelemetryNames.InFlight, () => Volatile.Read(ref _inFlight), "{request}", "Requests that have not ended, waiting ones included.");
        meter.CreateObservableCounter(TelemetryNames.Tokens, ReadTokens, "{token}", "Tokens as the instances counted them.");
    }

    /// <summary>A request has begun.</summary>
    public void Begin() => Interlocked.Increment(ref _inFlight);

    /// <summary>A request has gone, or is about to.</summary>
    public void End() => Interlocked.Decrement(ref _inFlight);

    /// <summary>A request has ended so.</summary>
    public void Add(in RequestLabels request) => Interlocked.Increment(ref _requests.GetOrAdd(request, static _ => new Count()).Value);

    /// <summary>An answer told what it consumed; 0 where it did not.</summary>
    public void AddTokens(string model, long input, long output)
    {
        if (input <= 0 && output <= 0)
            return;
        var count = _tokens.GetOrAdd(model, static _ => new TokenCount());
        Interlocked.Add(ref count.Input, Math.Max(0, input));
        Interlocked.Add(ref count.Output, Math.Max(0, output));
    }

    private IEnumerable<Measurement<long>> ReadTokens()
    {
        foreach (var (model, count) in _tokens)
        {
            var label = new KeyValuePair<string, object?>(TelemetryNames.ModelLabel, model);
            // What was never told has no series.
            if (Volatile.Read(ref count.Input) is > 0 and var input)
                yield return new Measurement<long>(input, label, new KeyValuePair<string, object?>(TelemetryNames.TypeLabel, "input"));
            if (Volatile.Read(ref count.Output) is > 0 and var output)
                yield return new Measurement<long>(output, label, new KeyValuePair<string, object?>(TelemetryNames.TypeLabel, "output"));
        }
    }

    private sealed class Count
    {
        public long Value;
    }

    private sealed class TokenCount
    {
        public long Input;
        public long Output;
    }
}

/// <summary>What a request that has ended is counted under.</summary>
/// <param name="Operation">As the route table calls it.</param>
/// <param name="Protocol">The client's.</param>
/// <param name="Model">Its label.</param>
/// <param name="Status">HTTP status; 499 where the client hung up before it had one.</param>
/// <param name="Outcome">What came of it.</param>
internal readonly record struct RequestLabels(string Operation, string Protocol, string Model, int Status, string Outcome);
