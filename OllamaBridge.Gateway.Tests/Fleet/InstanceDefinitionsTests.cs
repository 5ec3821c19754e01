using OllamaBridge.Gateway.Discovery;

namespace OllamaBridge.Gateway.Tests.Fleet;

public class InstanceDefinitionsTests
{
    [Fact]
    public void Read_UrlsList_OneDefinitionEach()
    {
        var read = Read(new FleetOptions { Urls = " http://a:1 , b:2,, https://c ", Slots = 3 }, out var errors);

        Assert.Empty(errors);
        Assert.Equal(["a:1", "b:2", "c"], read.Select(d => d.Name));
        Assert.Equal(["http://a:1/", "http://b:2/", "https://c/"], read.Select(d => d.Url.AbsoluteUri));
        Assert.All(read, d => Assert.Equal((3, 0), (d.Slots, d.MaxLoadedModels)));
    }

    [Fact]
    public void Read_Instances_OwnSettingsWin()
    {
        var read = Read(
            new FleetOptions
            {
                Slots = 2,
                Instances = [new() { Url = "http://a:1", Name = " gpu-0 ", Slots = 7, MaxLoadedModels = 4 }, new() { Url = "b" }],
            },
            out var errors);

        Assert.Empty(errors);
        Assert.Equal([new("gpu-0", new Uri("http://a:1"), 7, 4), new("b", new Uri("http://b"), 2, 0)], read);
    }

    [Fact]
    public void Read_UrlsAndInstances_Both()
    {
        var read = Read(new FleetOptions { Urls = "a", Instances = [new() { Url = "b" }] }, out _);
        Assert.Equal(["a", "b"], read.Select(d => d.Name));
    }

    [Fact]
    public void Read_Nothing_NothingAndNoError()
    {
        Assert.Empty(Read(new FleetOptions(), out var errors));
        Assert.Empty(errors);
    }

    [Theory]
    [InlineData("127.0.0.1:11434", "127.0.0.1:11434")]
    [InlineData("localhost", "localhost")]
    [InlineData("http://[::1]:11400", "::1:11400")]
    [InlineData("http://[fd00::5]", "fd00::5")]
    [InlineData("https+http://ollama-1", "ollama-1")]
    [InlineData("http://host/base/path", "host")]
    public void Read_NoName_NameFromAddress(string url, string name)
    {
        var read = Read(new FleetOptions { Urls = url }, out var errors);
        Assert.Empty(errors);
        Assert.Equal(name, Assert.Single(read).Name);
    }

    [Theory]
    [InlineData("")]
    [InlineData("  ")]
    [InlineData(":11434")]
    [InlineData("http://")]
    [InlineData("ftp://a")]
    [InlineData("file:///etc/passwd")]
    [InlineData("http://a:99999")]
    [InlineData("http://user:secret@a")]
    [InlineData("http://a?x=1")]
    [InlineData("http://a#x")]
    [InlineData("http://a b")]
    public void Read_BadUrl_NamedByKey(string url)
    {
        Read(new FleetOptions { Instances = [new() { Url = "ok" }, new() { Url = url }] }, out var errors);
        Assert.StartsWith("Bridge:Instances:1:Url:", Assert.Single(errors), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_BadUrlInList_NamedByKey()
    {
        Read(new FleetOptions { Urls = "ok,http://,ftp://b" }, out var errors);
        Assert.Equal(2, errors.Count);
        Assert.All(errors, e => Assert.StartsWith("Bridge:Urls: '", e, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(-1, false)]
    [InlineData(1, true)]
    [InlineData(1024, true)]
    [InlineData(1025, false)]
    public void Read_Slots_WithinLimits(int slots, bool valid)
    {
        Read(new FleetOptions { Instances = [new() { Url = "a", Slots = slots }] }, out var errors);
        Assert.Equal(valid ? [] : [$"Bridge:Instances:0:Slots: {slots} is not between 1 and 1024."], errors);
    }

    [Fact]
    public void Read_InvalidDefaultSlots_NoErrorForInstances()
    {
        Read(new FleetOptions { Slots = 0, Instances = [new() { Url = "a" }] }, out var errors);
        Assert.Empty(errors); // the validator of Bridge:Slots reports it, once and under its key
    }

    [Theory]
    [InlineData("a b")]
    [InlineData("a/b")]
    [InlineData("a\nb")]
    [InlineData("ä")]
    [InlineData(null)] // too long
    public void Read_BadName_NamedByKey(string? name)
    {
        name ??= new string('a', 254);
        Read(new FleetOptions { Instances = [new() { Url = "a", Name = name }] }, out var errors);
        Assert.StartsWith("Bridge:Instances:0:Name:", Assert.Single(errors), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_NameTwice_InAnyCase_Reported()
    {
        Read(new FleetOptions { Instances = [new() { Url = "a", Name = "Gpu" }, new() { Url = "b", Name = "gpu" }] }, out var errors);
        Assert.Equal(["Bridge:Instances:1:Name: 'gpu' is used twice."], errors);
    }

    [Fact]
    public void Read_SameHostTwiceWithoutNames_NamesMadeUnique()
    {
        var read = Read(new FleetOptions { Urls = "http://a/x,http://a/y,http://A/z" }, out var errors);
        Assert.Empty(errors);
        Assert.Equal(["a", "a-2", "a-3"], read.Select(d => d.Name));
    }

    [Fact]
    public void Read_ManyErrors_AllReported()
    {
        Read(
            new FleetOptions
            {
                Urls = "ftp://u",
                Instances = [new() { Url = "", Slots = 0, Name = "!", MaxLoadedModels = -1 }, new() { Url = "b", Slots = 9999, MaxLoadedModels = -2 }],
            },
            out var errors);

        Assert.Equal(
            ["Bridge:Urls", "Bridge:Instances:0:Url", "Bridge:Instances:0:Slots", "Bridge:Instances:0:MaxLoadedModels", "Bridge:Instances:0:Name",
                "Bridge:Instances:1:Slots", "Bridge:Instances:1:MaxLoadedModels"],
            errors.Select(e => e[..e.IndexOf(": ", StringComparison.Ordinal)]));
    }

    [Fact]
    public void Validate_Errors_AllReported()
    {
        var result = new InstanceListValidator().Validate(null, new FleetOptions { Urls = "ftp://a,ftp://b" });
        Assert.Equal(2, result.Failures!.Count());
        Assert.True(new InstanceListValidator().Validate(null, new FleetOptions { Urls = "a" }).Succeeded);
    }

    private static IReadOnlyList<InstanceDefinition> Read(FleetOptions options, out List<string> errors) =>
        InstanceDefinitions.Read(options, errors = []);
}
