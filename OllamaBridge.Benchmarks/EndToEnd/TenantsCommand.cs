namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>Measures the cost per request of API keys, limits, fairness and state that is shared through Redis.</summary>
internal static class TenantsCommand
{
    public static async Task<int> RunAsync(BenchmarkArguments arguments, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(GatewayCommand.Deadline);
        var plan = arguments.Quick ? GatewayPlan.Quick : new GatewayPlan();
        return PairRow.Publish("tenants", await MeasureAsync(plan, deadline.Token), arguments);
    }

    private static async Task<List<PairRow>> MeasureAsync(GatewayPlan plan, CancellationToken cancellationToken)
    {
        await using var bed = await BenchmarkFixture.StartAsync(cancellationToken);
        await using var state = await StateProcess.StartAsync(cancellationToken);
        var company = BenchmarkTenants.Create(GatewayPlan.Clients);
        var settings = new Dictionary<string, string>(company.Settings) { ["Bridge__State__ConnectionString"] = $"{state.Address}" };
        var pair = new PairMeasure(
            stop => bed.StartGatewayAsync("without tenants", new Dictionary<string, string>(), null, stop),
            async stop => await bed.StartGatewayAsync("with tenants", settings, company.OperatorKey, stop) with { Keys = company.Keys });

        Console.Error.WriteLine($"Small responses with and without tenants, {GatewayPlan.Clients} clients, state in {state.Name}…");
        await pair.RunAsync(streams: false, plan.PairProcesses, plan, cancellationToken);
        return
        [
            PairRow.Compare(
                $"Small answers, {GatewayPlan.Clients} clients: requests/s", pair.Rates[0], pair.Rates[1], "0", least: GatewayPlan.MinTenantsThroughputRatio),
            PairRow.Compare("… CPU of the gateway for each, µs", pair.Costs[0], pair.Costs[1], "0"),
            new PairRow("… the state", "in memory", state.Name, ""),
        ];
    }
}
