using System.Net;
using System.Text;

namespace OllamaBridge.Gateway.Resumption.Liveness;

/// <summary>Detects from successive readings whether an engine works. Not thread-safe.</summary>
/// <remarks>vLLM, SGLang and llama-server update <c>/metrics</c> after each step, llama-server serves <c>/slots</c> after each batch: that distinguishes a long
/// prompt from a stuck engine. Figures that change only with requests (TGI) are no evidence.</remarks>
internal sealed class EngineActivity
{
    public const string MetricsPath = "/metrics";

    public const string SlotsPath = "/slots";

    private static readonly string[] Prefixes = ["vllm:", "vllm_", "sglang:", "sglang_", "llamacpp:", "llamacpp_"];
    private string? _figures;
    private bool _hasChange;

    /// <summary>Null if the server has no such route.</summary>
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
