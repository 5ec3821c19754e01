using System.Text.RegularExpressions;
using System.Xml.Linq;
using OllamaBridge.Testing.Repository;

namespace OllamaBridge.Gateway.FunctionalTests.Deployment;

/// <summary>The Dockerfile and the SDK build the same image.</summary>
public partial class ContainerImageTests
{
    private readonly string[] _docker = RepositoryFiles.Read("Dockerfile").Split('\n');
    private readonly XDocument _project = XDocument.Load(RepositoryFiles.PathOf("OllamaBridge.Gateway/OllamaBridge.Gateway.csproj"));

    [Fact]
    public void BaseImage_DockerfileAndProject_Equal() =>
        Assert.EndsWith($"/aspnet:10.0-{Property("ContainerFamily")}", _docker.Last(l => l.StartsWith("FROM ", StringComparison.Ordinal)), StringComparison.Ordinal);

    [Fact]
    public void Port_DockerfileAndProjectAndDefault_Same()
    {
        var port = new Uri(GatewayServer.DefaultUrl).Port.ToString(System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal(port, Assert.Single(_project.Descendants("ContainerPort")).Attribute("Include")!.Value);
        var variable = Assert.Single(_project.Descendants("ContainerEnvironmentVariable"));
        Assert.Equal(("ASPNETCORE_HTTP_PORTS", port), (variable.Attribute("Include")!.Value, variable.Attribute("Value")!.Value));
        Assert.Contains($"EXPOSE {port}", _docker);
        Assert.Contains($"ENV ASPNETCORE_HTTP_PORTS={port}", _docker);
    }

    [Fact]
    public void Labels_DockerfileAndProject_Same()
    {
        var text = string.Join('\n', _docker);
        Assert.Contains($"image.title=\"{Property("ContainerTitle")}\"", text, StringComparison.Ordinal);
        Assert.Contains($"image.description=\"{Property("ContainerDescription")}\"", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Version_WithoutGitHistory_SameInDockerfileAndBuild()
    {
        var build = XDocument.Load(RepositoryFiles.PathOf("Directory.Build.props"));
        var version = Assert.Single(build.Descendants("Version")).Value;
        Assert.Contains($"ARG VERSION={version}", _docker);
        Assert.Contains(_docker, line => line.Contains("image.version=\"$VERSION\"", StringComparison.Ordinal));
    }

    [Fact]
    public void User_Dockerfile_NotRoot() => Assert.Contains("USER $APP_UID", _docker);

    [Fact]
    public void Restore_Dockerfile_HasEveryProject()
    {
        var copied = string.Join('\n', _docker);
        foreach (var reference in _project.Descendants("ProjectReference"))
        {
            var project = ProjectFolder().Match(reference.Attribute("Include")!.Value).Groups[1].Value;
            Assert.Contains($"COPY {project}/*.csproj {project}/packages.lock.json {project}/", copied, StringComparison.Ordinal);
            Assert.Contains($"COPY {project}/ {project}/", copied, StringComparison.Ordinal);
            Assert.Contains($"!{project}", RepositoryFiles.Read(".dockerignore").Split('\n'));
        }
    }

    private string Property(string name) => Assert.Single(_project.Descendants(name)).Value;

    [GeneratedRegex(@"^\.\./([^/]+)/")]
    private static partial Regex ProjectFolder();
}
