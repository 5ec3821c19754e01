using System.Globalization;

namespace OllamaBridge.Simulator.Hosting;

/// <summary>Random ids of responses in the formats of real ones.</summary>
internal static class Ids
{
    /// <summary>Three digits, as in "chatcmpl-167".</summary>
    public static string Short() => Random.Shared.Next(1000).ToString(CultureInfo.InvariantCulture);

    /// <summary>Six digits, as in "resp_692409".</summary>
    public static string Long() => Random.Shared.Next(100_000, 1_000_000).ToString(CultureInfo.InvariantCulture);

    /// <summary>Twelve random bytes, as in "msg_5b379b3b1c80a1cf8b9ef564".</summary>
    public static string Hex() => Convert.ToHexStringLower(Guid.NewGuid().ToByteArray().AsSpan(0, 12));
}
