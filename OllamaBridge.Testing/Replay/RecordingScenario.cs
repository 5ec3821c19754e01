using OllamaBridge.Simulator;

namespace OllamaBridge.Testing.Replay;

/// <summary>The state before a recorded request: by default a fresh server with the recorded models.</summary>
internal sealed record RecordingScenario
{
    public SimulatorOptions Options { get; init; } = RecordedFixture.Options;

    public ModelStore? Store { get; init; }

    /// <summary>Bodies sent to <c>/api/generate</c> beforehand.</summary>
    public IReadOnlyList<string> Before { get; init; } = [];

    public Fault? Fault { get; init; }

    /// <summary>Requests that run at the same time and do not end.</summary>
    public IReadOnlyList<string> Meanwhile { get; init; } = [];

    /// <summary>Whether a second server with the same folder pulls the same model, faster.</summary>
    public bool Rival { get; init; }

    /// <summary>Kills the server after this number of lines.</summary>
    public int? KillAfterLines { get; init; }

    /// <summary>Changes the command if the recording names a file that was not kept.</summary>
    public Func<CurlCommand, CurlCommand> Command { get; init; } = c => c;

    public static RecordingScenario For(Recording recording) => recording.Name switch
    {
        "01-ps-loaded" => Loaded("""{"model":"slow","keep_alive":"10m"}""", """{"model":"endless","keep_alive":"9m"}""", """{"model":"tiny","keep_alive":"5m"}"""),
        "05-ps-after-default-keepalive" or "05-ps-keepalive-10m" or "08-unload-while-generating-ps-after" => Loaded("""{"model":"tiny","keep_alive":"10m"}"""),
        "05-ps-after-num-ctx-change" => Loaded("""{"model":"tiny"}""", """{"model":"tiny","options":{"num_ctx":1024}}"""),
        "05-ps-right-after-keepalive-0" => Loaded("""{"model":"tiny","prompt":"x","keep_alive":0,"options":{"num_predict":2}}"""),
        "05-ps-1s-after-unload" or "05-unload-not-loaded" => Loaded("""{"model":"tiny"}""", """{"model":"tiny","keep_alive":0}"""),
        "08-idle-runner-killed-ps" => Loaded("""{"model":"slow"}"""),
        "08-sigstop-runner-ps" => Loaded("""{"model":"slow","keep_alive":"10m"}""", """{"model":"tiny"}"""),
        "07-long-prompt-chat-truncate-false" => new() { Command = c => c.With(body: LongChat) },
        "07-long-prompt-generate-truncated" => new() { Command = c => c.With(body: LongGenerate) },
        "08-sigstop-runner-chat-10s" => Struck(FaultKind.Frozen),
        "08-sigstop-server-version-3s" => new() { Fault = new Fault { Kind = FaultKind.Hang, Path = "/api/version" } },
        "08-kill9-server-nonstream" => Struck(FaultKind.Die),
        "08-kill9-server-midstream" or "08-kill9-server-v1-sse-midstream" => Struck(FaultKind.Die, Tokens(recording)),
        "08-sigterm-server-midstream" => Struck(FaultKind.CutAfterTokens, Tokens(recording)),
        "08-kill9-runner-midstream" or "08-kill9-runner-v1-sse-midstream" => Struck(FaultKind.ErrorLine, Tokens(recording) - 1),
        "17-runner-binary-missing" => new() { Fault = new Fault { Kind = FaultKind.Status, Status = 500, Message = ErrorOf(recording) } },
        "09-queue-full-503-req1" or "09-queue-full-503-req2" => new(),
        "09-queue-full-ps" => Loaded("""{"model":"endless"}"""),
        "09-queue-full-tags" => new(),
        "17-model-blob-missing-tags" => new() { Store = RecordedFixture.Store(recording.Name) },
        _ when recording.Name.StartsWith("09-", StringComparison.Ordinal) => QueueFull,
        _ when recording.Name.StartsWith("14-", StringComparison.Ordinal) => Pulling(recording.Name),
        _ when recording.Name.StartsWith("16-", StringComparison.Ordinal) => BlobScenarios.For(recording.Name),
        _ when recording.Name.StartsWith("17-", StringComparison.Ordinal) => Damaged(recording.Name),
        _ => new RecordingScenario(),
    };

    private static string LongChat =>
        $$"""{"model":"tiny","stream":false,"truncate":false,"messages":[{"role":"user","content":"{{Words(20_000)}}"}]}""";

    private static string LongGenerate =>
        $$$"""{"model":"tiny","stream":false,"prompt":"{{{Words(20_000)}}}","options":{"num_predict":2}}""";

    private static RecordingScenario QueueFull => new()
    {
        Options = RecordedFixture.Options with { MaxLoadedModels = 1, MaxQueue = 1, DecodePerToken = TimeSpan.FromHours(1) },
        Meanwhile = ["""{"model":"endless","prompt":"x"}""", """{"model":"tiny","prompt":"x"}""", """{"model":"tiny","prompt":"x"}"""],
    };

    private static RecordingScenario Loaded(params string[] bodies) => new() { Before = bodies };

    private static RecordingScenario Struck(FaultKind kind, int afterTokens = 0) => new() { Fault = new Fault { Kind = kind, AfterTokens = afterTokens } };

    private static RecordingScenario Pulling(string name)
    {
        var scenario = new RecordingScenario { Options = RecordedFixture.PullOptions, Store = new ModelStore([]) };
        return name switch
        {
            "14-pull-again-uptodate" => scenario with { Store = RecordedFixture.Store() },
            "14-pull-concurrent-same-model-A" or "14-pull-concurrent-same-model-C" or "14-pull-staggered-B-1s-later" => scenario with { Rival = true },
            "14-pull-killed-midway-A" => scenario with { KillAfterLines = 10 },
            _ when name.StartsWith("14-pull-", StringComparison.Ordinal) && Recording.Text(name).Contains("library/slow") =>
                scenario with { Store = new ModelStore(RecordedFixture.Models("01-tags").Where(m => m.Name == "tiny")), Options = scenario.Options with { PullBytesPerSecond = 400_000_000 } },
            _ => scenario,
        };
    }

    private static RecordingScenario Damaged(string name)
    {
        var damage = name switch
        {
            "17-model-blob-corrupt-generate" => ModelDamage.BlobCorrupt,
            "17-model-blob-missing-show-other-server" => ModelDamage.BlobMissingUnread,
            _ => ModelDamage.BlobMissing,
        };
        var broken = RecordedFixture.Models("17-model-blob-missing-tags").Single(m => m.Name == "brk");
        return new() { Store = new ModelStore([broken with { Damage = damage }]) };
    }

    private static int Tokens(Recording recording) =>
        recording.Response!.Body.Split('\n').Count(l => l.Contains("\"done\":false") || l.Contains("\"delta\":")) + (recording.Name.Contains("kill9-runner-mid") ? 1 : 0);

    private static string ErrorOf(Recording recording) =>
        System.Text.Json.JsonDocument.Parse(recording.Response!.Body).RootElement.GetProperty("error").GetString()!;

    private static string Words(int count) => string.Join(' ', Enumerable.Repeat("sky", count));
}
