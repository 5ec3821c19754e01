using OllamaBridge.Gateway.Telemetry;

namespace OllamaBridge.Gateway.Accounting;

/// <summary>Figures of this gateway's inference requests of the last minutes, and the latest ones that failed, broke off, or needed a resumption or another
/// attempt. Bounded memory, no content. A request counts in the step of its end, with all its tokens.</summary>
internal sealed class RecentFigures(TimeProvider time)
{
    public static readonly TimeSpan Step = TimeSpan.FromSeconds(5);

    /// <summary>Number of steps: five minutes.</summary>
    public const int Steps = 60;

    public const int MaxTroubles = 30;

    private static readonly string Succeeded = Labels.Of(RequestOutcome.Succeeded);
    private static readonly string Failed = Labels.Of(RequestOutcome.Failed);
    private static readonly string Truncated = Labels.Of(RequestOutcome.Truncated);
    private readonly Lock _lock = new();
    private readonly Bucket[] _ring = [.. Enumerable.Range(0, Steps).Select(_ => new Bucket())];
    private readonly Queue<RequestTrouble> _troubles = new(MaxTroubles);

    private long Now => time.GetTimestamp() / (long)(time.TimestampFrequency * Step.TotalSeconds);

    public void Note(LedgerRecord record)
    {
        var trouble = TroubleOf(record);
        lock (_lock)
        {
            var bucket = BucketOf(Now);
            bucket.Requests++;
            bucket.Tokens += record.OutputTokens;
            if (record.Outcome == Succeeded)
                bucket.Latencies.Add(record.TotalSeconds);
            if (trouble is null)
                return;
            if (_troubles.Count == MaxTroubles)
                _troubles.Dequeue();
            _troubles.Enqueue(trouble);
        }
    }

    public RequestFigures Figures()
    {
        var (requests, tokens) = (new int[Steps], new double[Steps]);
        var (median, p95) = (new double?[Steps], new double?[Steps]);
        lock (_lock)
        {
            var first = Now - Steps + 1;
            for (var i = 0; i < Steps; i++)
            {
                if (first + i < 0)
                    continue;
                var bucket = BucketOf(first + i);
                requests[i] = bucket.Requests;
                tokens[i] = Math.Round(bucket.Tokens / Step.TotalSeconds, 1);
                (median[i], p95[i]) = (bucket.Latencies.Quantile(0.5), bucket.Latencies.Quantile(0.95));
            }
        }

        return new RequestFigures(Step.TotalSeconds, requests, tokens, median, p95);
    }

    /// <summary>Returns the stored troubles, newest first.</summary>
    public IReadOnlyList<RequestTrouble> Troubles()
    {
        lock (_lock)
            return [.. _troubles.Reverse()];
    }

    private static RequestTrouble? TroubleOf(LedgerRecord record)
    {
        var kind = record.Outcome == Failed || record.Outcome == Truncated ? record.Outcome
            : record.Outcome != Succeeded ? null
            : record.Interruptions is { Count: > 0 } ? "continued"
            : record.Attempts > 1 ? "retried"
            : null;
        return kind is null ? null : new RequestTrouble(
            record.Time, kind, record.Model, record.Tenant, record.Instance, record.Status, record.Attempts, record.Interruptions);
    }

    // Returns the bucket of a step, cleared if it belonged to an older one.
    private Bucket BucketOf(long step)
    {
        var bucket = _ring[step % Steps];
        if (bucket.Step != step)
        {
            bucket.Step = step;
            (bucket.Requests, bucket.Tokens) = (0, 0);
            bucket.Latencies.Clear();
        }

        return bucket;
    }

    private sealed class Bucket
    {
        public long Step { get; set; } = -1;

        public int Requests { get; set; }

        public long Tokens { get; set; }

        public LatencyCounts Latencies { get; } = new();
    }
}
