namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>One row of the result.</summary>
/// <param name="What">The name of the figure.</param>
/// <param name="Direct">The figure without a proxy; "–" if it does not apply.</param>
/// <param name="Yarp">The figure with bare YARP.</param>
/// <param name="Gateway">The figure with the gateway.</param>
/// <param name="Compared">The ratio or difference.</param>
/// <param name="Target">The required value; empty if the row has no target.</param>
/// <param name="Met">Whether the target is met; null if the row has no target.</param>
internal sealed record GatewayRow(string What, string Direct, string Yarp, string Gateway, string Compared, string Target = "", bool? Met = null);
