using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Audit;
using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Queueing;

namespace OllamaBridge.Gateway.Activation;

internal sealed class ScaleFromZeroControllerFactory(IServiceProvider services)
{
    public ScaleFromZeroController Create(Tier tier)
    {
        var (fleet, time, logger) = (Get<IFleet>(), Get<TimeProvider>(), Get<ILogger<ActivationService>>());
        var (store, audit) = (Get<ITierStore>(), services.GetService<AuditTrail>());
        var activator = services.GetServices<IInstanceActivator>().Single(a => string.Equals(a.Name, tier.Options.Activator, StringComparison.OrdinalIgnoreCase));
        var load = new TierLoad(tier, fleet, Get<RequestQueue>(), new TierUse(tier, store, time), time);
        var drain = new TierDrain(tier, fleet, store, Get<IOptions<SharingOptions>>().Value.Interval, time, logger, audit);
        var platform = new TierPlatform(tier, activator, time, audit);
        return new ScaleFromZeroController(
            tier, load, platform, new ScaleToZero(tier, load, drain, platform, time, logger), Get<ActivationMetrics>(), time, logger);
    }

    private T Get<T>()
        where T : notnull => services.GetRequiredService<T>();
}
