using System.Reflection;
using System.Text;
using Aspire.Hosting.ApplicationModel;

namespace OllamaBridge.Hosting;

/// <summary>A scrape target of Prometheus.</summary>
/// <param name="Job">The job's name.</param>
/// <param name="Address">Host and port.</param>
internal readonly record struct ScrapeTarget(string Job, string Address);

/// <summary>The configuration files of Prometheus and Grafana. Grafana's are embedded from <c>deploy/grafana</c>.</summary>
internal static class ObservabilityFiles
{
    private const string Prefix = "grafana/";

    /// <summary>Prometheus' configuration.</summary>
    public static ContainerFile PrometheusConfiguration(IEnumerable<ScrapeTarget> targets)
    {
        var text = new StringBuilder("global:\n  scrape_interval: 5s\nscrape_configs:\n");
        // As deploy/prometheus/prometheus.yml: the bridge's own label `instance` names an Ollama server and must stay; `bridge` names the scraped gateway.
        foreach (var target in targets)
        {
            text.Append($"  - job_name: {target.Job}\n    honor_labels: true\n    static_configs:\n      - targets: ['{target.Address}']\n");
            text.Append("    relabel_configs:\n      - source_labels: [__address__]\n        target_label: bridge\n");
        }

        return new ContainerFile { Name = "prometheus.yml", Contents = text.ToString() };
    }

    /// <summary>The folder <c>/etc/grafana/provisioning</c>.</summary>
    public static IEnumerable<ContainerFileSystemItem> GrafanaProvisioning() =>
    [
        new ContainerDirectory { Name = "datasources", Entries = [Read("datasources.yaml")] },
        new ContainerDirectory { Name = "dashboards", Entries = [Read("dashboards.yaml")] },
    ];

    /// <summary>The folder with the dashboards.</summary>
    public static IEnumerable<ContainerFileSystemItem> Dashboards() => [Read("ollamabridge.json")];

    private static ContainerFile Read(string name)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(Prefix + name)
            ?? throw new InvalidOperationException($"{name} is not embedded.");
        using var reader = new StreamReader(stream);
        return new ContainerFile { Name = name, Contents = reader.ReadToEnd() };
    }
}
