using Microsoft.Extensions.Configuration;

namespace OllamaBridge.Testing;

/// <summary>Settings that a test changes while the gateway runs.</summary>
internal sealed class ChangeableConfiguration(Dictionary<string, string?> settings) : ConfigurationProvider, IConfigurationSource
{
    public IConfigurationProvider Build(IConfigurationBuilder builder)
    {
        Data = new Dictionary<string, string?>(settings, StringComparer.OrdinalIgnoreCase);
        return this;
    }

    public void Change(Action<IDictionary<string, string?>> change)
    {
        var data = new Dictionary<string, string?>(Data, StringComparer.OrdinalIgnoreCase);
        change(data);
        Data = data;
        OnReload();
    }
}
