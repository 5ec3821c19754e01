using System.Text.RegularExpressions;
using OllamaBridge.Testing.Repository;

namespace OllamaBridge.Gateway.FunctionalTests.Deployment;

/// <summary>The table of faults in <c>docs/reliability.md</c>: each cell is backed by a test that exists, and no cell is missing.</summary>
public partial class ReliabilityTableTests
{
    private static readonly Lazy<IReadOnlyList<ReliabilityRow>> Rows = new(() => ReliabilityTable.Read(RepositoryFiles.Read("docs/reliability.md")));

    /// <summary>Faults that are told for every inference route, streamed and not.</summary>
    public static TheoryData<string> OfEveryInferenceRoute =>
    [
        "refused connection", "reset before the first byte", "stale pooled connection", "reset in mid-answer", "frozen runner", "frozen machine", "hanging load",
        "5xx of one instance", "deterministic 500", "5xx, not JSON, of one instance's edge", "5xx, not JSON, of every edge",
        "4xx, not the server's JSON, of one instance's edge", "4xx, not the server's JSON, of every edge", "GPU full: out of memory on one instance",
        "out of memory everywhere", "503 or 429 of one instance", "unknown model", "another digest under the name", "bad upload: broken framing", "stalled upload",
        "client closes its side in mid-upload", "gateway stopped (SIGTERM)", "gateway killed", "Redis down", "Redis read-only", "Redis moved", "clock jump",
    ];

    /// <summary>Faults of streams.</summary>
    public static TheoryData<string> OfEveryStream => ["cut stream: a clean end without its last message", "slow client: it never reads"];

    [Fact]
    public void Table_Tests_Exist()
    {
        // Other sections and the promises of docs/security.md quote tests as well.
        var quoted = TestName().Matches(RepositoryFiles.Read("docs/reliability.md") + RepositoryFiles.Read("docs/security.md")).Select(m => m.Groups[1].Value);
        List<string> missing = [.. Rows.Value.SelectMany(r => r.Tests).Concat(quoted).Distinct().Where(t => !ReliabilityTable.Exists(t))];
        Assert.Empty(missing);
    }

    [Fact]
    public void Table_EveryRow_SaysWhatIsSeenAndAfterWhichTime() => Assert.All(Rows.Value, r =>
    {
        Assert.NotEmpty(r.Sees);
        Assert.NotEmpty(r.After);
        Assert.NotEmpty(r.Tests);
        Assert.NotEmpty(r.Cells);
    });

    [Theory]
    [MemberData(nameof(OfEveryInferenceRoute))]
    public void Table_Fault_ToldForEveryInferenceRoute(string fault) =>
        Assert.Empty(ReliabilityTable.Inference.Except(CellsOf(fault)));

    [Theory]
    [MemberData(nameof(OfEveryStream))]
    public void Table_FaultOfStreams_ToldForEveryStream(string fault) =>
        Assert.Empty(ReliabilityTable.Inference.Where(c => c.IsStreamed).Except(CellsOf(fault)));

    [Theory]
    [InlineData("ReliabilityTableTests.Table_Tests_Exist", true)]
    [InlineData("ReliabilityTableTests.Table_Tests_ExistNot", false)]
    [InlineData("NoSuchTests.Table_Tests_Exist", false)]
    [InlineData("RequestQueueTests.Acquire_SlotFree_Immediate", true)] // another project
    [InlineData("GarnetLedgerTests.Latest_NothingWritten_Empty", true)] // a base class
    [InlineData("ReliabilityTableTests.TestName", false)] // no test
    [InlineData("Table_Tests_Exist", false)]
    public void Exists_Name_OnlyATest(string name, bool exists) => Assert.Equal(exists, ReliabilityTable.Exists(name));

    [Fact]
    public void Read_Row_ItsCells()
    {
        var row = Assert.Single(ReliabilityTable.Read("# x\n\n| a |\n\n## Faults\n\n| fault | routes | streamed | sees | after | test |\n| --- | --- |\n| f | `/api/embed`, `/api/chat` | both | an error | 1 s | `A.B`, `C.D` |\n\n## More\n\n| a | b |\n| --- | --- |\n| c | d |\n"));
        Assert.Equal([("/api/embed", false), ("/api/chat", true), ("/api/chat", false)], row.Cells);
        Assert.Equal(["A.B", "C.D"], row.Tests);
    }

    [GeneratedRegex(@"`(\w+Tests\.\w+)`")]
    private static partial Regex TestName();

    private static IEnumerable<(string Route, bool IsStreamed)> CellsOf(string fault) => Rows.Value.Where(r => r.Fault == fault).SelectMany(r => r.Cells);
}
