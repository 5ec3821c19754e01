
namespace OllamaBridge.Gateway.Pipeline;

/// <summary>Registers the stages of a request.</summary>
internal static class PipelineServiceCollectionExtensions
{
    public static IServiceCollection AddPipeline(this IServiceCollection services)
    {
        services.AddSingleton<AccessGuard>();
        services.AddSingleton<RequestMetrics>();
        services.AddSingleton<ModelAudit>();
        services.AddSingleton<RequestAccounting>();
        services.AddSingleton<ProtocolStage>();
        services.AddSingleton<IdentityStage>();
        services.AddSingleton<RegionStage>();
        services.AddSingleton<ConcurrencyGate>();
        services.AddSingleton<BodyStage>();
        services.AddSingleton<ModelStage>();
        services.AddSingleton<InventoryStage>();
        services.AddSingleton<QuotaStage>();
        services.AddSingleton<ManagementStage>();
        services.AddSingleton<TokenCountStage>();
        services.AddSingleton<UnloadStage>();
        services.AddSingleton<ForwardingStage>();
        return services;
    }
}
