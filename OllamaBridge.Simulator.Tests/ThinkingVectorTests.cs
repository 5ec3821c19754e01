using System.Text.Json;
using OllamaBridge.Simulator.Generation;
using OllamaBridge.Testing.Repository;

namespace OllamaBridge.Simulator.Tests;

/// <summary>Results of Ollama's own package <c>thinking</c> (0.33.0-rc2) on random tokens: the simulator's reading agrees with it token by token.</summary>
public sealed class ThinkingVectorTests
{
    [Fact]
    public void Add_AnyTokens_ShownAsByOllama()
    {
        foreach (var vector in JsonElement.Parse(RepositoryFiles.Read("OllamaBridge.Testing/Vectors/thinking.json")).GetProperty("parser").EnumerateArray())
        {
            var reader = new ThinkingReader(vector.GetProperty("opened").GetBoolean());
            foreach (var (token, shown) in vector.GetProperty("tokens").EnumerateArray().Zip(vector.GetProperty("shown").EnumerateArray()))
                Assert.True((shown[0].GetString()!, shown[1].GetString()!) == reader.Add(token.GetString()!), vector.ToString());
        }
    }
}
