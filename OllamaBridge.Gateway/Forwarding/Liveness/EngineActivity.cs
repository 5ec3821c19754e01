using System.Net;
using System.Text;

namespace OllamaBridge.Gateway.Forwarding.Liveness;

/// <summary>Tells from successive readings of a server's own figures whether its engine works. Not thread-safe.</summary>
/// <remarks>
/// vLLM, SGLang and llama-server tell in <c>/metrics</c> how many tokens they have evaluated and generated and how full their caches are: figures
/// that the engine reports after each step. llama-server's <c>/slots</c> is answered by the loop that runs the model, after each batch. Both tell
/// a long prompt apart from an engine that stands still, which health routes do not. Servers whose figures change only with requests (TGI) tell nothing.
/// </remarks>
internal sealed class EngineActivity
{
    /// <summary>Figures of the engine in Prometheus' text format.</summary>
    public const string MetricsPath = "/metrics";

    /// <summary>The state of llama-server's slots.</summary>
    public const string SlotsPath = "/slots";

    private static readonly string[] Prefixes = ["vllm:", "vllm_", "sglang:", "sglang_", "llamacpp:", "llamacpp_"];
    private string? _figures;
    private bool _hasChange;

    /// <summary>The route that tells; null if the server has none.</summary>
    public string? Path { get; private set; } = MetricsPath;

    /// <summary>Whether a reading can tell at all, as far as is known.</summary>
    public bool IsReadable { get; private set; }

    /// <summary>Takes in a response of <see cref="Path"/>.</summary>
    /// <param name="status">Its status.</param>
    /// <param name="body">Its body.</param>
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
        // The check itself changes a figure or two when it arrives; a first change proves nothing.
        (isChange, _hasChange) = (isChange && _hasChange, _hasChange || isChange);
        IsReadable = true;
        return isChange;
    }

    /// <summary>The engine's lines of a metrics page; those of the HTTP server and of the process change by themselves.</summary>
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
