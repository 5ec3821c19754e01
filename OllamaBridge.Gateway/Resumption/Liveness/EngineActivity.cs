using System.Net;
using System.Text;

namespace OllamaBridge.Gateway.Resumption.Liveness;

/// <summary>Detects from successive readings of a server's own figures whether its engine works. Not thread-safe.</summary>
/// <remarks>
/// In <c>/metrics</c>, vLLM, SGLang and llama-server report how many tokens they have evaluated and generated and how full their caches are. The
/// engine updates these figures after each step. The loop that runs the model serves llama-server's <c>/slots</c> after each batch. Both distinguish
/// a long prompt from a stuck engine, which health routes do not. The figures of servers that change only with requests (TGI) are no evidence.
/// </remarks>
internal sealed class EngineActivity
{
    /// <summary>The route of the engine's figures in Prometheus text format.</summary>
    public const string MetricsPath = "/metrics";

    public const string SlotsPath = "/slots";

    private static readonly string[] Prefixes = ["vllm:", "vllm_", "sglang:", "sglang_", "llamacpp:", "llamacpp_"];
    private string? _figures;
    private bool _hasChange;

    /// <summary>The route to read; null if the server has none.</summary>
    public string? Path { get; private set; } = MetricsPath;

    /// <summary>Whether the readings are evidence at all.</summary>
    public bool IsReadable { get; private set; }

    /// <returns>Whether the engine has worked since the last reading.</returns>
    public bool Add(HttpStatusCode status, string body)
    {
        if (Path == SlotsPath)
        {
            IsReadable = status == HttpStatusCode.OK && body.AsSpan().TrimStart() is ['[', ..];
            if (!IsReadable)
                Path = null;
            return IsReadable;
        }

        var figures = status == HttpStatusCode.OK ? Figures(body) : "";
        if (figures.Length == 0)
        {
            Path = SlotsPath;
            return false;
        }

        var isChange = _figures is not null && figures != _figures;
        _figures = figures;
        // The arrival of the check changes a figure or two, so the first change is no evidence.
        (isChange, _hasChange) = (isChange && _hasChange, _hasChange || isChange);
        IsReadable = true;
        return isChange;
    }

    /// <summary>Selects the engine's lines of a metrics page. Those of the HTTP server and of the process change in any case.</summary>
    private static string Figures(string body)
    {
        var figures = new StringBuilder();
        foreach (var line in body.AsSpan().EnumerateLines())
            foreach (var prefix in Prefixes)
                if (line.StartsWith(prefix, StringComparison.Ordinal))
                {
                    figures.Append(line).Append('\n');
                    break;
                }

        return figures.ToString();
    }
}
