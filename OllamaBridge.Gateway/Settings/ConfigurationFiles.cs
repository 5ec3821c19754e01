using System.Text.Json;
using Microsoft.Extensions.Configuration.Json;

namespace OllamaBridge.Gateway.Settings;

/// <summary>Detects unreadable or deleted configuration files, because .NET clears their settings and reports that as an ordinary change.</summary>
internal sealed class ConfigurationFiles
{
    private readonly FileConfigurationProvider[] _present;

    public ConfigurationFiles(IConfigurationRoot configuration)
    {
        _present = [.. configuration.Providers.OfType<FileConfigurationProvider>().Where(p => PathOf(p) is not null)];
        foreach (var provider in _present)
            // The default throws in the file watcher, where the failure is lost and the change is never reported.
            provider.Source.OnLoadException = static failure => failure.Ignore = true;
    }

    public IEnumerable<string> FindMistakes() => _present.Select(Mistake).OfType<string>();

    private static string? Mistake(FileConfigurationProvider provider)
    {
        var name = provider.Source.Path;
        if (PathOf(provider) is not { } path)
            return $"{name}: the file is gone. Its settings stay in effect until a restart.";
        try
        {
            using var stream = File.OpenRead(path);
            if (provider is not JsonConfigurationProvider)
                return null;
            using var document = JsonDocument.Parse(stream, new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
            return document.RootElement.ValueKind == JsonValueKind.Object ? null : $"{path}: is not a JSON object.";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return $"{path}: {StartupFailure.FirstLine(e.Message)}";
        }
    }

    private static string? PathOf(FileConfigurationProvider provider) =>
        provider.Source is { Path: { } path, FileProvider: { } files } && files.GetFileInfo(path) is { Exists: true, PhysicalPath: { } physical }
            ? physical
            : null;
}
