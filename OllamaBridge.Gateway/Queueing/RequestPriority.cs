using System.Globalization;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Queueing;

/// <summary>The priority class, the longest wait for a slot (null for the queue's own limit), and the error in the headers, as text for the client.</summary>
internal sealed record RequestPriority(Priority Priority, TimeSpan? Deadline, string? Fault)
{
    /// <summary>The requested class: <c>interactive</c> or <c>batch</c>.</summary>
    public const string PriorityHeader = "X-Bridge-Priority";

    /// <summary>The longest wait for a slot that the client accepts, in seconds from arrival.</summary>
    public const string DeadlineHeader = "X-Bridge-Deadline";

    /// <summary>In a refusal: the approximate position in the queue, from 1.</summary>
    public const string PositionHeader = "X-Bridge-Queue-Position";

    /// <summary>In a refusal: the estimated wait, in seconds.</summary>
    public const string EstimatedWaitHeader = "X-Bridge-Estimated-Wait";

    // The maximum of QueueOptions.MaxWait; longer deadlines have no effect and could overflow in ticks.
    private static readonly TimeSpan Longest = TimeSpan.FromDays(1);

    /// <summary>Reads a request's headers. A tenant whose class is batch can't raise it to interactive.</summary>
    public static RequestPriority Read(IHeaderDictionary headers, Tenant tenant)
    {
        var priority = tenant.Priority;
        if (headers.TryGetValue(PriorityHeader, out var wish))
        {
            var text = wish.ToString().Trim();
            if (text.Equals("batch", StringComparison.OrdinalIgnoreCase))
                priority = Priority.Batch;
            else if (!text.Equals("interactive", StringComparison.OrdinalIgnoreCase))
                return new RequestPriority(priority, null, $"{PriorityHeader} must be interactive or batch");
        }

        if (!headers.TryGetValue(DeadlineHeader, out var deadline))
            return new RequestPriority(priority, null, null);
        return double.TryParse(
            deadline.ToString(), NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite,
            CultureInfo.InvariantCulture, out var seconds) && seconds > 0
            ? new RequestPriority(priority, seconds < Longest.TotalSeconds ? TimeSpan.FromSeconds(seconds) : Longest, null)
            : new RequestPriority(priority, null, $"{DeadlineHeader} must be a positive number of seconds");
    }
}
