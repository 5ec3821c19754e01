using System.Globalization;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Telemetry;

/// <summary>Label values in lower case, cached: one string for each value.</summary>
internal static class Labels
{
    private static readonly string[] Statuses = [.. Enumerable.Range(0, 600).Select(i => i.ToString(CultureInfo.InvariantCulture))];

    public static string OfStatus(int status) => status is >= 0 and < 600 ? Statuses[status] : "0";

    /// <summary>An operation's name in OpenTelemetry's conventions for generative AI; operations that those lack keep their own.</summary>
    public static string OfGenAi(Operation operation) => operation.Type switch
    {
        OperationType.Generate or OperationType.TextCompletion => "text_completion",
        OperationType.Embed or OperationType.Embeddings => "embeddings",
        OperationType.Chat or OperationType.Messages or OperationType.Responses => "chat",
        _ => operation.Name,
    };

    public static string Of<T>(T value)
        where T : struct, Enum => Cache<T>.Names.TryGetValue(value, out var name) ? name : "";

    private static class Cache<T>
        where T : struct, Enum
    {
        public static readonly Dictionary<T, string> Names = Enum.GetValues<T>().ToDictionary(v => v, v => v.ToString().ToLowerInvariant());
    }
}
