using System.Xml.Linq;

namespace OllamaBridge.Tests;

/// <summary>The versions that this repository builds with.</summary>
internal static class Versions
{
    public static string Aspire { get; } = XDocument.Load(Path.Combine(Repository.Root, "Directory.Packages.props"))
        .Descendants("PackageVersion").Single(p => p.Attribute("Include")!.Value == "Aspire.Hosting.AppHost").Attribute("Version")!.Value;

    /// <summary>Aspire's MSBuild SDK.</summary>
    public static string AspireSdk { get; } = XDocument.Load(Path.Combine(Repository.Root, "OllamaBridge.AppHost", "OllamaBridge.AppHost.csproj"))
        .Root!.Attribute("Sdk")!.Value.Split('/')[1];
}
