using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Admission;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.State;

namespace OllamaBridge.Gateway.Tests.Admission;

/// <summary>Stores of limits without their gateway.</summary>
internal static class TestQuotas
{
    public static readonly SharingOptions Sharing = new();

    /// <summary>A gateway that is the only one.</summary>
    public static QuotaStore Alone(TimeProvider time) => Of(new MemoryQuotaShares(time), "alone", time);

    /// <summary>One of several.</summary>
    public static QuotaStore Of(IQuotaShares shares, string gateway, TimeProvider time, TimeSpan? patience = null) => new(
        shares,
        gateway,
        Options.Create(Sharing),
        Options.Create(new StateOptions { OperationTimeout = patience ?? TimeSpan.FromMilliseconds(50) }),
        time,
        NullLogger<QuotaStore>.Instance);
}

/// <summary>Shares that can be lost, forget, and answer so late that nobody hears it.</summary>
internal sealed class LosableShares(MemoryQuotaShares inner) : IQuotaShares
{
    private readonly List<QuotaReport> _late = [];

    public MemoryQuotaShares Inner { get; set; } = inner;

    /// <summary>Nobody answers.</summary>
    public bool IsLost { get; set; }

    /// <summary>So many reports from now on are heard, and their answers lost.</summary>
    public int AnswersToLose { get; set; }

    /// <summary>So many reports from now on are heard only when <see cref="HearLateAsync"/> is called.</summary>
    public int ReportsToDelay { get; set; }

    /// <summary>Waited for before anything is answered.</summary>
    public Task Gate { get; set; } = Task.CompletedTask;

    public int Exchanges { get; private set; }

    public bool IsShared => true;

    public async ValueTask<QuotaAnswer?> ExchangeAsync(QuotaReport report, CancellationToken cancellationToken)
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
