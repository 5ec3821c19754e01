using System.Globalization;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Discovery;

internal static class OpenAIServices
{
    private const ApiRoutes Optional = ApiRoutes.Responses | ApiRoutes.Messages | ApiRoutes.Transcriptions;

    public static IEnumerable<(string Setting, string Mistake)> Mistakes(InstanceOptions instance)
    {
        // An error text never repeats a key, not even an invalid one.
        if (instance.ApiKey is { } key && key.AsSpan().ContainsAnyExceptInRange('!', '~'))
            yield return ("ApiKey", "may only have printable ASCII characters without blanks.");
        if (instance.Kind == InstanceKind.Bridge)
            yield return ("Kind", "Bridge is for other regions, which are configured in Bridge:Regions:Peers.");
        if (instance.Kind != InstanceKind.OpenAI)
        {
            if (instance.Models.Count > 0)
                yield return ("Models", "is for Kind OpenAI; an Ollama server lists its models.");
            if (instance.Routes != ApiRoutes.None)
                yield return ("Routes", "is for Kind OpenAI; an Ollama server has all of them.");
            if (!string.IsNullOrEmpty(instance.HealthPath))
                yield return ("HealthPath", "is for Kind OpenAI.");
            yield break;
        }

        if (instance.MaxLoadedModels > 0)
            yield return ("MaxLoadedModels", "is for Kind Ollama; an OpenAI server's models are always in memory.");
        if ((instance.Routes & ~Optional) != 0)
            yield return (
                "Routes", "must be Responses, Messages or Transcriptions, separated by commas; chat, completions and embeddings are always available.");
        if (!string.IsNullOrEmpty(instance.HealthPath) && !IsPath(instance.HealthPath))
            yield return ("HealthPath", $"'{instance.HealthPath}' is not a path such as /health.");
        for (var i = 0; i < instance.Models.Count; i++)
            if (!ModelName.IsId(instance.Models[i]))
                yield return (Setting(i), $"'{instance.Models[i]}' is not a model id.");
            else if (instance.Models.IndexOf(instance.Models[i]) < i)
                yield return (Setting(i), $"'{instance.Models[i]}' is there twice.");

        static string Setting(int i) => string.Create(CultureInfo.InvariantCulture, $"Models:{i}");
    }

    public static OpenAIService? Read(InstanceOptions instance) => instance.Kind != InstanceKind.OpenAI ? null : new OpenAIService(
        [.. instance.Models],
        instance.Routes & Optional,
        string.IsNullOrEmpty(instance.HealthPath) ? null : instance.HealthPath);

    private static bool IsPath(string text) =>
        text[0] == '/' && !text.StartsWith("//", StringComparison.Ordinal) && !text.AsSpan().ContainsAnyExceptInRange('!', '~')
            && !text.Contains('#', StringComparison.Ordinal);
}
