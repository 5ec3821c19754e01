using System.Reflection;
using Microsoft.Extensions.Logging;
using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Tests.Common;

public class EventIdsTests
{
    private static readonly (string Group, string Name, int Id)[] Known =
        [.. typeof(EventIds).GetNestedTypes().SelectMany(g => g.GetFields().Select(f => (g.Name, f.Name, (int)f.GetRawConstantValue()!)))];

    [Fact]
    public void Ids_All_AreUnique() => Assert.Equal(Known.Length, Known.DistinctBy(k => k.Id).Count());

    [Fact]
    public void Ranges_OfTwoClasses_DoNotOverlap()
    {
        var ranges = Known.GroupBy(k => k.Group).Select(g => (g.Key, First: g.Min(k => k.Id), Last: g.Max(k => k.Id))).OrderBy(r => r.First).ToArray();
        Assert.All(ranges.Zip(ranges.Skip(1)), pair => Assert.True(pair.First.Last < pair.Second.First, $"{pair.First.Key} and {pair.Second.Key} overlap."));
    }

    [Fact]
    public void Messages_Everywhere_HaveTheIdOfTheirClassAndMethod()
    {
        const BindingFlags Static = BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic;
        var messages = typeof(GatewayServer).Assembly.GetTypes()
            .SelectMany(t => t.GetMethods(Static | BindingFlags.Instance | BindingFlags.DeclaredOnly).Select(m => (Type: t, Method: m, Message: m.GetCustomAttribute<LoggerMessageAttribute>())))
            .Where(m => m.Message is not null)
            .Select(m => (m.Type.Name.EndsWith("Log", StringComparison.Ordinal) ? m.Type.Name[..^3] : m.Type.Name, m.Method.Name, m.Message!.EventId))
            .ToArray();
        Assert.Equal(Known.Order(), messages.Order());
    }
}
