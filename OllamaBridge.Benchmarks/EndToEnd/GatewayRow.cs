namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>
/// One row of the result. <paramref name="Direct"/> is the figure without a proxy, or "–" if it does not apply. <paramref name="Target"/> is empty and
/// <paramref name="Met"/> is null if the row has no target.
/// </summary>
internal sealed record GatewayRow(string What, string Direct, string Yarp, string Gateway, string Compared, string Target = "", bool? Met = null);
