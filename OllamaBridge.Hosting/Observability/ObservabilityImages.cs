namespace OllamaBridge.Hosting;

/// <summary>The images of observability tools.</summary>
internal static class ObservabilityImages
{
    public const string Prometheus = "docker.io/prom/prometheus";
    public const string PrometheusTag = "v3.5.0";
    public const string Grafana = "docker.io/grafana/grafana";
    public const string GrafanaTag = "12.1.1";
    public const string DcgmExporter = "nvcr.io/nvidia/k8s/dcgm-exporter";
    public const string DcgmExporterTag = "4.2.3-4.1.3-ubuntu22.04";
}
