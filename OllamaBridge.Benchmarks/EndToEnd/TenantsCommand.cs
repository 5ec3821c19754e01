namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>What keys, limits, fair shares and a state that is shared through Redis cost each request.</summary>
internal static class TenantsCommand
{
    /// <summary>Runs the benchmark.</summary>
    /// <returns>The process's exit code.</returns>
    public static async Task<int> RunAsync(BenchmarkArguments arguments, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(GatewayCommand.Deadline);
        var plan = arguments.Quick ? GatewayPlan.Quick : new GatewayPlan();
        return PairRow.Publish("tenants", await MeasureAsync(plan, deadline.Token), arguments);
    }

    private static async Task<List<PairRow>> MeasureAsync(GatewayPlan plan, CancellationToken cancellationToken)
    {
        await using var bed = await TestBed.StartAsync(cancellationToken);
        await using var state = await StateProcess.StartAsync(cancellationToken);
        var without = await bed.StartGatewayAsync("without tenants", new Dictionary<string, string>(), null, cancellationToken);
        await using var withoutProcess = without.Process;
        var company = BenchmarkTenants.Create(GatewayPlan.Clients);
        var settings = new Dictionary<string, string>(company.Settings) { ["Bridge__State__ConnectionString"] = $"{state.Address}" };
        var with = await bed.StartGatewayAsync("with tenants", settings, company.OperatorKey, cancellationToken);
        await using var withProcess = with.Process;
        with = with with { Keys = company.Keys };

        Console.Error.WriteLine($"Small answers with and without tenants, {GatewayPlan.Clients} clients, state in {state.Name}…");
        var (rates, costs) = await ThroughputMeasure.MeasureAsync([without, with], stream: false, plan.PairRounds, plan, cancellationToken);
        return
        [
            PairRow.Compare(
                $"Small answers, {GatewayPlan.Clients} clients: requests/s", rates[0], rates[1], "0", least: GatewayPlan.MinTenantsThroughputRatio),
            PairRow.Compare("… CPU of the gateway for each, µs", costs[0], costs[1], "0"),
            new PairRow("… the state", "in memory", state.Name, ""),
        ];
    }
}
