using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Scheduling.Filters;
using OllamaBridge.Gateway.Scheduling.Pickers;
using OllamaBridge.Gateway.Scheduling.Scorers;
using OllamaBridge.Gateway.Settings;

namespace OllamaBridge.Gateway.Scheduling;

internal static class SchedulingServiceCollectionExtensions
{
    /// <summary>Adds the scheduler and its policies. Filters and scorers run in this order.</summary>
    public static IServiceCollection AddScheduling(this IServiceCollection services)
    {
        services.AddBridgeOptions<SchedulingOptions, SchedulingOptionsValidator>(SchedulingOptions.Section);
        services.AddSingleton<IValidateOptions<SchedulingOptions>, SchedulingPolicyValidator>();

        services.AddSingleton<IInstanceFilter, KeepModelsFilter>();
        services.AddSingleton<IInstanceFilter, FreeSlotFilter>();

        services.AddSingleton<IInstanceScorer, ModelLoadedScorer>();
        services.AddSingleton<IInstanceScorer, AffinityScorer>();
        services.AddSingleton<IInstanceScorer, LoadScorer>();
        services.AddSingleton<IInstanceScorer, TimeToFirstTokenScorer>();

        services.AddSingleton<IInstancePicker, BestPicker>();
        services.AddSingleton<IInstancePicker, WeightedPicker>();

        services.TryAddRandom();
        services.AddSingleton<ConversationAffinity>();
        services.AddSingleton<RegionRules>();
        services.AddSingleton<Scheduler>();
        return services;
    }
}
