using System.Globalization;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Admission;

/// <summary>Whether a request asks for more than any may. Pure.</summary>
/// <remarks>What a request leaves open is not capped: it is never changed, and a default is the server's own matter.</remarks>
internal static class Caps
{
    /// <summary>Compares a request with the caps.</summary>
    /// <returns>What is too much, for the caller to read; null where nothing is.</returns>
    public static string? Check(in RequestDemands demands, CapOptions caps)
    {
        if (caps.MaxOutputTokens is { } output && demands.Output is { } wanted)
        {
            if (wanted < 0)
                return $"{demands.OutputField} asks for an answer without end; at most {Text(output)} tokens are allowed (Bridge:Limits:MaxOutputTokens)";
            if (wanted > output)
                return $"{demands.OutputField} is {Text(wanted)}; at most {Text(output)} is allowed (Bridge:Limits:MaxOutputTokens)";
        }

        if (caps.MaxContext is { } most && demands.Context is { } context && context > most)
            return $"options.num_ctx is {Text(context)}; at most {Text(most)} is allowed (Bridge:Limits:MaxContext)";
        if (caps.MaxImages is { } images && demands.Images > images)
            return $"the request has {Text(demands.Images)} images; at most {Text(images)} are allowed (Bridge:Limits:MaxImages)";
        if (caps.MaxKeepAlive is { } longest && demands.KeepAlive is { } keep && keep > longest)
            return keep == TimeSpan.MaxValue
                ? $"keep_alive asks to keep the model for ever; at most {Text(longest)} is allowed (Bridge:Limits:MaxKeepAlive)"
                : $"keep_alive is {Text(keep)}; at most {Text(longest)} is allowed (Bridge:Limits:MaxKeepAlive)";
        return null;
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Text(TimeSpan time) => time.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture) + "s";
}
