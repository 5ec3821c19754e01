namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>One line of the result.</summary>
/// <param name="What">What was measured.</param>
/// <param name="Direct">Without a proxy; "–" where that makes no sense.</param>
/// <param name="Yarp">With bare YARP.</param>
/// <param name="Gateway">With the gateway.</param>
/// <param name="Compared">What follows from these.</param>
/// <param name="Target">What is asked for; empty where the line only informs.</param>
/// <param name="Met">Whether it is; null where the line only informs.</param>
internal sealed record GatewayRow(string What, string Direct, string Yarp, string Gateway, string Compared, string Target = "", bool? Met = null);
