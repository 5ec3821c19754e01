using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Resumption;

namespace OllamaBridge.Gateway.Forwarding;

internal sealed class QueueWaits(RequestQueue queue, IOptions<QueueOptions> options, TimeProvider time)
{
    public QueueWait Create(HttpContext context, Operation operation, in RequestFacts facts, long startedAt)
    {
        var priority = context.Features.Get<RequestPriority>();
        return new QueueWait
        {
            Priority = priority?.Priority ?? default,
            Deadline = priority?.Deadline is { } deadline ? startedAt + Math.Max(1, Ticks(deadline)) : 0,
            RoomUntil = startedAt + Ticks(options.Value.MaxWait),
            Ticket = Heartbeat.IsWanted(context.Request.Headers, operation, facts) ? new QueueTicket() : null,
        };
    }

    /// <summary>The response must be a <see cref="RestartableResponse"/>. The heartbeat is a feature of the request until disposed.</summary>
    public Heartbeat StartHeartbeat(HttpContext context, ForwardedCall call)
    {
        var heartbeat = Heartbeat.Start(context, call, queue, options.Value.ProgressInterval, time);
        context.Features.Set(heartbeat);
        return heartbeat;
    }

    private long Ticks(TimeSpan wait) => (long)(wait.TotalSeconds * time.TimestampFrequency);
}
