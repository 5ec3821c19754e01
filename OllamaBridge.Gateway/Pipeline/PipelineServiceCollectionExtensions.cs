namespace OllamaBridge.Gateway.Pipeline;

internal static class PipelineServiceCollectionExtensions
{
    public static IServiceCollection AddPipeline(this IServiceCollection services) => services
        .AddSingleton<RequestIdStage>()
        .AddSingleton<AccessStage>()
        .AddSingleton<RequestMetrics>()
        .AddSingleton<RequestRecorder>()
        .AddSingleton<ModelAudit>()
        .AddSingleton<AccountingStage>()
        .AddSingleton<ProtocolStage>()
        .AddSingleton<ShutdownStage>()
        .AddSingleton<IdentityStage>()
        .AddSingleton<RegionStage>()
        .AddSingleton<ReservedRouteStage>()
        .AddSingleton<InventoryEndpoint>()
        .AddSingleton<ConcurrencyStage>()
        .AddSingleton<BodyStage>()
        .AddSingleton<ModelStage>()
        .AddSingleton<QuotaStage>()
        .AddSingleton<TokenCountEndpoint>()
        .AddSingleton<PriorityStage>()
        .AddSingleton<ManagementEndpoint>()
        .AddSingleton<UnloadStage>()
        .AddSingleton<ForwardingEndpoint>();
}
