namespace OllamaBridge.Gateway.Tests.Simulator;

/// <summary>The recordings that the contract test does not replay one by one, and why.</summary>
internal static class RecordingTable
{
    public static IReadOnlyDictionary<string, string> NotReplayed { get; } = new Dictionary<string, string>
    {
        ["07-two-requests-one-connection"] = "two requests: RecordingContractTests.Connection_TwoRequests_BothAnswered",
        ["10-client-abort-server-log"] = "a server's log; what it shows: GenerationTests.Chat_ClientHangsUp_GenerationIsCancelled",
        ["11-raw-continuation-on-other-server"] = "a comparison, not an exchange: ContinuationTests",
        ["11-seed-determinism-across-3-servers"] = "a comparison, not an exchange: ContinuationTests.Generate_SameSeedOnTwoServers_SameText",
        ["12-parallel-6-of-4"] = "timings: MemoryTests.Generate_MoreThanSlots_RestWaitsWithoutHeaders",
        ["13-delete-on-B-while-A-streams"] = "a script over two servers: SharedStoreTests.Delete_WhileOtherStreams_StreamEndsAndNextIs404",
        ["13-shared-dir-visibility"] = "a script over three servers: SharedStoreTests.Create_OnOneServer_SeenByTheOther",
        ["15-shared-dir-create-delete-race"] = "what a real folder loses in races; the simulated store is consistent and counts writers instead",
        ["15-startup-prune-in-shared-dir"] = "files on disk: there are none",
    };
}
