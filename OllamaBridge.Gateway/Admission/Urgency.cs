using System.Globalization;
using OllamaBridge.Gateway.Identity;

namespace OllamaBridge.Gateway.Admission;

/// <summary>How urgent a request says it is.</summary>
/// <param name="Priority">Its class.</param>
/// <param name="Deadline">How long after its arrival it must have a slot; null for as long as anybody waits.</param>
/// <param name="Fault">What is wrong with its headers; null where nothing is.</param>
internal readonly record struct Urgency(Priority Priority, TimeSpan? Deadline, string? Fault)
{
    /// <summary>A client's wish for a class: <c>interactive</c> or <c>batch</c>.</summary>
    public const string PriorityHeader = "X-Bridge-Priority";

    /// <summary>Seconds from arrival after which a client no longer wants to wait for a slot.</summary>
    public const string DeadlineHeader = "X-Bridge-Deadline";

    /// <summary>In a refusal: the how-manyth in line it was, or would have been.</summary>
    public const string PositionHeader = "X-Bridge-Queue-Position";

    /// <summary>In a refusal: the seconds that it would have had to wait, by estimate.</summary>
    public const string EstimatedWaitHeader = "X-Bridge-Estimated-Wait";

    // Nobody waits longer; and what is beyond need not be counted in ticks.
    private static readonly TimeSpan Longest = TimeSpan.FromDays(1);

    /// <summary>Reads a request's headers. A tenant whose class is batch stays batch whatever it asks for.</summary>
    public static Urgency Read(IHeaderDictionary headers, Tenant tenant)
    {
        var priority = tenant.Priority;
        if (headers.TryGetValue(PriorityHeader, out var wish))
        {
            var text = wish.ToString().Trim();
            if (text.Equals("batch", StringComparison.OrdinalIgnoreCase))
                priority = Priority.Batch;
            else if (!text.Equals("interactive", StringComparison.OrdinalIgnoreCase))
                return new Urgency(priority, null, $"{PriorityHeader} must be interactive or batch");
        }

        if (!headers.TryGetValue(DeadlineHeader, out var deadline))
            return new Urgency(priority, null, null);
        return double.TryParse(
            deadline.ToString(), NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite,
            CultureInfo.InvariantCulture, out var seconds) && seconds > 0
            ? new Urgency(priority, seconds < Longest.TotalSeconds ? TimeSpan.FromSeconds(seconds) : Longest, null)
            : new Urgency(priority, null, $"{DeadlineHeader} must be a positive number of seconds");
    }
}
