using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>
/// One tenant for each client, with every kind of limit, for all models and for a single model; and one operator. The limits are too high to be
/// reached. <paramref name="Settings"/> are the gateway's environment variables.
/// </summary>
internal sealed record BenchmarkTenants(IReadOnlyList<string> Keys, string OperatorKey, IReadOnlyDictionary<string, string> Settings)
{
    private static readonly (string Limit, string Value)[] Limits =
    [
        ("RequestsPerSecond", "1000000"), ("ConcurrentRequests", "1000"), ("TokensPerMinute", "1000000000"), ("TokensPerDay", "1000000000000"),
    ];

    public static BenchmarkTenants Create(int count)
    {
        var settings = new Dictionary<string, string>();
        var keys = new List<string>();
        for (var i = 0; i < count; i++)
        {
            var tenant = $"Bridge__Tenants__tenant-{i}__";
            keys.Add(AddKey(settings, tenant));
            settings[$"{tenant}Weight"] = $"{1 + (i % 3)}";
            settings[$"{tenant}Limits__Models__0__Model"] = SimulatorFleet.InstantModel;
            foreach (var (limit, value) in Limits)
            {
                settings[$"{tenant}Limits__{limit}"] = value;
                settings[$"{tenant}Limits__Models__0__{limit}"] = value;
            }
        }

        const string Operators = "Bridge__Tenants__operators__";
        var operatorKey = AddKey(settings, Operators);
        settings[$"{Operators}Scopes"] = "Admin";
        return new BenchmarkTenants(keys, operatorKey, settings);
    }

    private static string AddKey(Dictionary<string, string> settings, string tenant)
    {
        var (key, verifier) = ApiKey.Create();
        settings[$"{tenant}Keys__0"] = verifier.ToString();
        return key;
    }
}
