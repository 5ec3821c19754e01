using OllamaBridge.Gateway.FunctionalTests.Fixtures;
using OllamaBridge.Testing.Repository;

namespace OllamaBridge.Gateway.FunctionalTests.Deployment.Kubernetes;

/// <summary>
/// The script that validates the overlays with an API server. It runs with a fake kubectl, and with a real cluster if the variable
/// <c>OLLAMABRIDGE_TEST_KUBECONFIG</c> names a kubeconfig (kind, k3s, or any cluster that allows new namespaces).
/// </summary>
public sealed class CheckTests : IDisposable
{
    private const string Cluster = "OLLAMABRIDGE_TEST_KUBECONFIG";

    // Two namespaces, one of which exists. $SAID and $GET are the server's responses.
    private const string StandIn = """
        #!/usr/bin/env bash
        echo "$*" >> "$ASKED"
        case "$*" in
          kustomize*) printf 'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: there\n---\napiVersion: v1\nkind: Namespace\nmetadata:\n  labels:\n    a: b\n  name: missing\n---\napiVersion: v1\nkind: Service\nmetadata:\n  name: bridge\n' ;;
          "get namespace there") ;;
          get*) echo "${GET:-Error from server (NotFound): namespaces \"missing\" not found}" >&2; exit 1 ;;
          "apply -f -") sed 's/^/made /' >> "$ASKED" ;;
          apply*) echo "service/bridge created (server dry run)"; printf '%b' "$SAID" >&2; [ -z "$SAID" ] ;;
        esac
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("check").FullName;

    private string Asked => Path.Combine(_folder, "asked");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Check_AllAccepted_ExitCodeZeroAndCleanedUp()
    {
        var (code, said) = await RunWithStandInAsync("");

        Assert.True(code == 0, said);
        Assert.Contains("1 objects taken", said, StringComparison.Ordinal);
        var asked = await File.ReadAllLinesAsync(Asked, TestContext.Current.CancellationToken);
        Assert.Contains(asked, a => a.StartsWith("apply --dry-run=server --validate=strict", StringComparison.Ordinal));
        // The existing namespace is not changed.
        Assert.Equal(["made apiVersion: v1", "made kind: Namespace", "made metadata:", "made   labels:", "made     a: b", "made   name: missing"], asked.Where(a => a.StartsWith("made", StringComparison.Ordinal)));
        Assert.Equal("delete namespace missing", asked[^1]);
    }

    [Theory]
    [InlineData("Warning: would violate PodSecurity \"restricted:latest\"\\n", "PodSecurity")]
    [InlineData("Error from server (BadRequest): strict decoding error: unknown field \"spec.x\"\\n", "spec.x")]
    [InlineData("no matches for kind \"ScaledObject\" in version \"keda.sh/v1alpha1\"\\nensure CRDs are installed first\\nWarning: old\\n", "Warning: old")]
    public async Task Check_RefusedOrWarned_FailsWithReason(string answer, string why)
    {
        var (code, said) = await RunWithStandInAsync(answer);

        Assert.Equal(1, code);
        Assert.Contains(why, said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("resource mapping not found for name: \"o\": no matches for kind \"ScaledObject\" in version \"keda.sh/v1alpha1\"\\nensure CRDs are installed first\\n", "ScaledObject (keda.sh/v1alpha1)")]
    [InlineData("Error from server (NotFound): the server could not find the requested resource (post scaledobjects.keda.sh)\\n", "scaledobjects.keda.sh")]
    public async Task Check_KindMissingInCluster_ReportedWithoutFailure(string answer, string kind)
    {
        var (code, said) = await RunWithStandInAsync(answer);

        Assert.True(code == 0, said);
        Assert.Contains($"not asked: {kind}", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_ServerUnreachable_FailsImmediately()
    {
        var (code, said) = await RunWithStandInAsync("", ("GET", "The connection to the server was refused"));

        Assert.Equal(1, code);
        Assert.Contains("refused", said, StringComparison.Ordinal);
        Assert.DoesNotContain("taken", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_RealCluster_AcceptsAllOverlays()
    {
        var cluster = Environment.GetEnvironmentVariable(Cluster);
        Assert.SkipWhen(string.IsNullOrEmpty(cluster), $"{Cluster} does not name the kubeconfig of a test cluster");
        Promtool.Find("kubectl");

        var (code, said) = await RunAsync(null, ("KUBECONFIG", cluster!));

        Assert.True(code == 0, said);
        Assert.All(Overlay.Names, name => Assert.Contains($"{name}: ", said, StringComparison.Ordinal));
    }

    private async Task<(int Code, string Said)> RunWithStandInAsync(string answer, params (string Name, string Value)[] more)
    {
        var file = Path.Combine(_folder, "kubectl");
        await File.WriteAllTextAsync(file, StandIn, TestContext.Current.CancellationToken);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        return await RunAsync(_folder, [("PATH", $"{_folder}:{Environment.GetEnvironmentVariable("PATH")}"), ("ASKED", Asked), ("SAID", answer), .. more]);
    }

    private static async Task<(int Code, string Said)> RunAsync(string? folder, params (string Name, string Value)[] environment)
    {
        var ended = await EndedProcess.RunAsync(
            "bash", [RepositoryFiles.PathOf($"{Overlay.Folder}/check.sh"), .. folder is null ? Array.Empty<string>() : [folder]], environment);
        return (ended.Code, ended.Said);
    }
}
