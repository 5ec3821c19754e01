using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Quotas;
using OllamaBridge.Gateway.State;

namespace OllamaBridge.Gateway.Tests.Quotas;

/// <summary>Quota stores without a gateway.</summary>
internal static class TestQuotas
{
    public static readonly SharingOptions Sharing = new();

    /// <summary>The store of a single gateway.</summary>
    public static QuotaStore Alone(TimeProvider time) => Of(new MemoryQuotaShares(time), "alone", time);

    /// <summary>The store of one of several gateways.</summary>
    public static QuotaStore Of(IQuotaShares shares, string gateway, TimeProvider time) => new(
        shares,
        gateway,
        Options.Create(Sharing),
        time,
        NullLogger<QuotaStore>.Instance);
}

/// <summary>Shares that can be unreachable, lose their state, or respond after the timeout.</summary>
internal sealed class LosableShares(MemoryQuotaShares inner) : IQuotaShares
{
    private readonly List<QuotaReport> _late = [];

    public MemoryQuotaShares Inner { get; set; } = inner;

    /// <summary>No report is answered.</summary>
    public bool IsLost { get; set; }

    /// <summary>The number of next reports that are processed but get no response.</summary>
    public int AnswersToLose { get; set; }

    /// <summary>The number of next reports that are processed only when <see cref="HearLateAsync"/> is called.</summary>
    public int ReportsToDelay { get; set; }

    /// <summary>Every response waits for this task.</summary>
    public Task Gate { get; set; } = Task.CompletedTask;

    public int Exchanges { get; private set; }

    public bool IsShared => true;

    public TimeSpan Timeout { get; init; } = TimeSpan.FromMilliseconds(50);

    public async ValueTask<QuotaResult?> ExchangeAsync(QuotaReport report, CancellationToken cancellationToken)
    {
        if (IsLost)
            return null;
        if (report.Tenant.Length > 0)
            Exchanges++;
        if (ReportsToDelay > 0)
        {
            ReportsToDelay--;
            _late.Add(report);
            return null;
        }

        if (!Gate.IsCompleted)
            await Gate;
        var answer = await Inner.ExchangeAsync(report, cancellationToken);
        return AnswersToLose > 0 && AnswersToLose-- > 0 ? null : answer;
    }

    public async Task HearLateAsync()
    {
        foreach (var report in _late)
            await Inner.ExchangeAsync(report, CancellationToken.None);
        _late.Clear();
    }
}
