using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Observable instruments read the counts on collection, which costs a request less than a synchronous instrument with listeners.</summary>
internal sealed class RequestCounts
{
    // One count for each combination of labels; the combinations are bounded.
    private readonly ConcurrentDictionary<RequestLabels, Count> _requests = new();
    private readonly ConcurrentDictionary<string, TokenCount> _tokens = new(StringComparer.Ordinal);
    private long _inFlight;

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

    public void Begin() => Interlocked.Increment(ref _inFlight);

    public void End() => Interlocked.Decrement(ref _inFlight);

    public void Add(in RequestLabels request) => Interlocked.Increment(ref _requests.GetOrAdd(request, static _ => new Count()).Value);

    /// <summary>Adds the tokens of a response; 0 if it did not report them.</summary>
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
            // Tokens that were never reported have no series.
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

/// <summary>The labels of a request that has ended. <paramref name="Status"/> is 499 if the client disconnected before a status was sent.</summary>
internal readonly record struct RequestLabels(string Operation, string Protocol, string Model, int Status, string Outcome);
