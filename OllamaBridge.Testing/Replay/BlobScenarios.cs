using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using OllamaBridge.Simulator;

namespace OllamaBridge.Testing.Replay;

/// <summary>The scenarios of the recordings 16-*. The uploaded files were not kept, so the tests use another text and its digest.</summary>
internal static partial class BlobScenarios
{
    private const string Content = "not a model, only some bytes";
    private const string Gguf = "84ba018066b9e10c79c1804795f1c1dab12a7074205461500656d36ccc2f95f6";
    private static readonly string Digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Content)));

    public static RecordingScenario For(string name)
    {
        var store = RecordedFixture.Store();
        var scenario = new RecordingScenario { Store = store };
        switch (name)
        {
            case "16-blob-head-missing":
                return scenario with { Command = Renamed };
            case "16-blob-post-first-201":
                return scenario with { Command = c => Renamed(c) with { Upload = Content } };
            case "16-blob-post-wrong-digest":
                return scenario with { Command = c => c with { Upload = Content } };
            case "16-blob-head-on-other-server":
                store.Blobs.Add(Digest, Content.Length, Encoding.UTF8.GetBytes(Content));
                return scenario with { Command = Renamed };
            case "16-blob-post" or "16-blob-post-again":
                store.Blobs.Add(Digest, Content.Length, Encoding.UTF8.GetBytes(Content));
                return scenario with { Command = c => Renamed(c) with { Upload = Content } };
            case "16-create-from-nongguf-blob":
                store.Blobs.Add(Digest, Content.Length, Encoding.UTF8.GetBytes(Content));
                return scenario with { Command = c => c.With(body: Hex().Replace(c.Body, Digest)) };
            case "16-create-from-gguf-blob-stream":
                store.Blobs.Add(Gguf, 14_447_200);
                return scenario;
            case "16-copy-ok" or "16-create-nonstream":
                store.Add(SimulatedModel.Named("fromblob"));
                return scenario;
            case "16-delete-ok":
                store.Add(SimulatedModel.Named("copied"));
                return scenario;
            default:
                return scenario;
        }
    }

    private static CurlCommand Renamed(CurlCommand command) => command.With(path: Hex().Replace(command.Path, Digest));

    [GeneratedRegex("[0-9a-f]{64}")]
    private static partial Regex Hex();
}
