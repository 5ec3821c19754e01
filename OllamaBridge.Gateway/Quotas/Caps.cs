using System.Globalization;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Quotas;

/// <summary>Checks a request against the caps. The bridge never changes a request, and a server's defaults are not capped. Pure.</summary>
internal static class Caps
{
    /// <returns>The error text for the client; null if the request is within the caps.</returns>
    public static string? Check(in RequestDemands demands, CapOptions caps)
    {
        if (caps.MaxOutputTokens is { } output && demands.Output is { } wanted)
        {
            if (wanted < 0)
                return $"{demands.OutputField} asks for an unlimited response; at most {Text(output)} tokens are allowed (Bridge:Limits:MaxOutputTokens)";
            if (wanted > output)
                return $"{demands.OutputField} is {Text(wanted)}; at most {Text(output)} is allowed (Bridge:Limits:MaxOutputTokens)";
        }

        if (caps.MaxContext is { } most && demands.Context is { } context && context > most)
            return $"options.num_ctx is {Text(context)}; at most {Text(most)} is allowed (Bridge:Limits:MaxContext)";
        if (caps.MaxImages is { } images && demands.Images > images)
            return $"the request has {Text(demands.Images)} images; at most {Text(images)} are allowed (Bridge:Limits:MaxImages)";
        if (caps.MaxKeepAlive is { } longest && demands.KeepAlive is { } keep && keep > longest)
            return keep == TimeSpan.MaxValue
                ? $"keep_alive asks to keep the model loaded indefinitely; at most {Text(longest)} is allowed (Bridge:Limits:MaxKeepAlive)"
                : $"keep_alive is {Text(keep)}; at most {Text(longest)} is allowed (Bridge:Limits:MaxKeepAlive)";
        return null;
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Text(TimeSpan time) => time.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture) + "s";
}
