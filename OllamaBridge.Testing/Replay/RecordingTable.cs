namespace OllamaBridge.Testing.Replay;

/// <summary>The recordings that the contract test does not replay, with the reasons.</summary>
internal static class RecordingTable
{
    public static IReadOnlyDictionary<string, string> NotReplayed { get; } = new Dictionary<string, string>
    {
        ["07-two-requests-one-connection"] = "two requests: RecordingContractTests.Connection_TwoRequests_BothAnswered",
        ["10-client-abort-server-log"] = "a server's log; covered by GenerationTests.Chat_ClientDisconnects_GenerationCancelled",
        ["11-raw-continuation-on-other-server"] = "a comparison, not an exchange: ContinuationTests",
        ["11-seed-determinism-across-3-servers"] = "a comparison, not an exchange: ContinuationTests.Generate_SameSeedOnTwoServers_SameText",
        ["12-parallel-6-of-4"] = "timings: MemoryTests.Generate_MoreThanSlots_RestWaitsWithoutHeaders",
        ["13-delete-on-B-while-A-streams"] = "a script over two servers: SharedStoreTests.Delete_WhileOtherStreams_StreamEndsAndNextIs404",
        ["13-shared-dir-visibility"] = "a script over three servers: SharedStoreTests.Create_OnOneServer_VisibleOnOther",
        ["15-shared-dir-create-delete-race"] = "races in a real folder; the simulated store is consistent and counts writers instead",
        ["15-startup-prune-in-shared-dir"] = "the simulated store has no files on disk",
    };
}
