using System.Globalization;
using System.Net;
using OllamaBridge.Simulator.Json;

namespace OllamaBridge.Simulator;

/// <summary>The parsed command line. Flags override Ollama's environment variables, which override defaults.</summary>
/// <param name="Ports">One server for each port.</param>
/// <param name="Options">The options of all servers.</param>
/// <param name="ControlPort">Port of the common side channel; null for none.</param>
internal sealed record CommandLine(IReadOnlyList<int> Ports, SimulatorOptions Options, int? ControlPort)
{
    private const int OllamaPort = 11_434;
    private const string Usage =
        "Usage: --port N | --ports N,N,… [--host ADDRESS] [--models NAME,…] [--prefill-models NAME,…] [--remote-models NAME,…] [--slots N]\n"
        + "       [--max-loaded N] [--max-queue N] [--load-time 2s] [--prefill 0.2ms] [--decode 15ms] [--keep-alive 5m] [--context N]\n"
        + "       [--answer-tokens N] [--pull-speed BYTES] [--control-port N]";

    /// <exception cref="FormatException">An argument is unknown, or its value is missing or invalid.</exception>
    public static CommandLine Parse(IReadOnlyList<string> args, Func<string, string?> environment)
    {
        var flags = Flags(args);
        var defaults = new SimulatorOptions();
        var (host, port) = HostOf(Take("host") ?? environment("OLLAMA_HOST"));
        var ports = Take("ports") is { } many
            ? [.. many.Split(',').Select(p => Port("--ports", p))]
            : Take("port") is { } one ? [Port("--port", one)] : new[] { port };
        var answer = Take("answer-tokens") is { } tokens ? Number("--answer-tokens", tokens) : (int?)null;
        SimulatedModel[] models =
        [
            .. Names(Take("models") ?? "deepseek-r1:7b,nomic-embed-text", answer),
            // Models whose template leaves a last message of the assistant open.
            .. Names(Take("prefill-models") ?? "", answer).Select(m => m with { Template = ChatTemplate.Prefill }),
        ];
        var options = defaults with
        {
            Address = host,
            ParallelSlots = Integer("slots", "OLLAMA_NUM_PARALLEL", defaults.ParallelSlots),
            MaxLoadedModels = Integer("max-loaded", "OLLAMA_MAX_LOADED_MODELS", defaults.MaxLoadedModels),
            MaxQueue = Integer("max-queue", "OLLAMA_MAX_QUEUE", defaults.MaxQueue),
            ContextLength = Integer("context", "OLLAMA_CONTEXT_LENGTH", defaults.ContextLength),
            LoadTime = Duration("load-time", null, defaults.LoadTime),
            PrefillPerToken = Duration("prefill", null, defaults.PrefillPerToken),
            DecodePerToken = Duration("decode", null, defaults.DecodePerToken),
            KeepAlive = Duration("keep-alive", "OLLAMA_KEEP_ALIVE", defaults.KeepAlive),
            ModelFolder = environment("OLLAMA_MODELS") ?? defaults.ModelFolder,
            PullBytesPerSecond = Take("pull-speed") is { } speed ? Number("--pull-speed", speed) : defaults.PullBytesPerSecond,
            RemoteModels = Names(Take("remote-models") ?? "", answer),
            Store = new ModelStore(models),
        };
        var control = Take("control-port") is { } text ? Port("--control-port", text) : (int?)null;
        return flags.Count == 0
            ? new CommandLine(ports, options, control)
            : throw new FormatException($"Unknown: {string.Join(", ", flags.Keys.Select(k => $"--{k}"))}\n{Usage}");

        string? Take(string name) => flags.Remove(name, out var value) ? value : null;

        int Integer(string flag, string variable, int otherwise) =>
            (Take(flag) ?? environment(variable)) is { Length: > 0 } value && Number($"--{flag} ({variable})", value) is var number and > 0
                ? number
                : otherwise;

        TimeSpan Duration(string flag, string? variable, TimeSpan otherwise) =>
            (Take(flag) ?? (variable is null ? null : environment(variable))) is { Length: > 0 } value
                ? Span(variable is null ? $"--{flag}" : $"--{flag} ({variable})", value)
                : otherwise;
    }

    private static Dictionary<string, string> Flags(IReadOnlyList<string> args)
    {
        Dictionary<string, string> flags = [];
        for (var i = 0; i < args.Count; i++)
        {
            if (!args[i].StartsWith("--", StringComparison.Ordinal))
                throw new FormatException($"Unknown: {args[i]}\n{Usage}");
            var equals = args[i].IndexOf('=');
            if (equals > 0)
                flags[args[i][2..equals]] = args[i][(equals + 1)..];
            else if (i + 1 < args.Count)
                flags[args[i][2..]] = args[++i];
            else
                throw new FormatException($"{args[i]} requires a value\n{Usage}");
        }
        return flags;
    }

    private static SimulatedModel[] Names(string list, int? answerTokens) =>
    [
        .. list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(n => answerTokens is { } tokens ? SimulatedModel.Named(n) with { AnswerTokens = tokens } : SimulatedModel.Named(n)),
    ];

    private static (IPAddress Host, int Port) HostOf(string? text)
    {
        if (string.IsNullOrEmpty(text))
            return (IPAddress.Loopback, OllamaPort);
        var rest = text.Contains("://", StringComparison.Ordinal) ? text[(text.IndexOf("://", StringComparison.Ordinal) + 3)..] : text;
        rest = rest.TrimEnd('/');
        var colon = rest.LastIndexOf(':');
        var isPort = colon >= 0 && int.TryParse(rest[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out _);
        var name = isPort ? rest[..colon] : rest;
        var address = name is "" ? IPAddress.Any : name is "localhost" ? IPAddress.Loopback
            : IPAddress.TryParse(name, out var parsed) ? parsed : throw new FormatException($"--host (OLLAMA_HOST): '{name}' is not an address");
        return (address, isPort ? Port("--host (OLLAMA_HOST)", rest[(colon + 1)..]) : OllamaPort);
    }

    private static int Number(string name, string text) =>
        int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new FormatException($"{name}: '{text}' is not a whole number\n{Usage}");

    private static int Port(string name, string text) => Number(name, text) is >= 0 and <= IPEndPoint.MaxPort and var port
        ? port
        : throw new FormatException($"{name}: {text} is not a port (0 to {IPEndPoint.MaxPort})\n{Usage}");

    /// <summary>A Go duration. A bare number is seconds, as in OLLAMA_KEEP_ALIVE.</summary>
    private static TimeSpan Span(string name, string text)
    {
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) && Math.Abs(seconds) < TimeSpan.MaxValue.TotalSeconds)
            return TimeSpan.FromSeconds(seconds);
        return GoDuration.TryParse(text, out var span) ? span : throw new FormatException($"{name}: '{text}' is not a duration such as 2s or 500ms\n{Usage}");
    }
}
