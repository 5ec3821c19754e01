using FsCheck;
using FsCheck.Fluent;

namespace OllamaBridge.Testing.Fleet;

/// <summary>Generates names for property tests.</summary>
internal static class ModelNameGenerator
{
    /// <summary>Names that are similar to special ones, and any text.</summary>
    public static Gen<string> Names
    {
        get
        {
            var piece = Gen.Elements(
                "qwen3", "8b", "x", "X", "me", "lab", "library", "latest", "registry.ollama.ai", "LOCAL", "local", "cloud", "Cloud", "-cloud", "8b-cloud",
                "a.b", "-", "_", "é", "\u212a", "", " ", "\t", "\u00a0", "\u2028", "http://", "://", "127.0.0.1:80", "%2F", "@sha256", "!", "\0", new string('a', 81));
            var separator = Gen.Elements("/", ":", "", " ", "//", "::", "-");
            var built = Gen.Choose(1, 5).SelectMany(n => piece.Zip(separator, (p, s) => p + s).ListOf(n)).Select(parts => string.Concat(parts))
                .SelectMany(s => Gen.Elements(s, s.TrimEnd('/', ':', ' ', '-'), "qwen3:8b" + s, s + "qwen3:8b", "lab/" + s.TrimEnd('/', ':')));
            return Gen.OneOf(built, built, ArbMap.Default.ArbFor<string>().Generator.Select(s => s ?? ""));
        }
    }
}
