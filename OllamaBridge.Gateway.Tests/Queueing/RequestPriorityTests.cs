using Microsoft.AspNetCore.Http;
using OllamaBridge.Gateway.Queueing;
using OllamaBridge.Gateway.Tenants;

namespace OllamaBridge.Gateway.Tests.Queueing;

public class RequestPriorityTests
{
    [Theory]
    [InlineData(null, "Interactive", "Interactive")]
    [InlineData(null, "Batch", "Batch")]
    [InlineData("batch", "Interactive", "Batch")]
    [InlineData(" Batch ", "Interactive", "Batch")]
    [InlineData("interactive", "Interactive", "Interactive")]
    [InlineData("interactive", "Batch", "Batch")]
    public void Read_Priority_AtMostTenantsPriority(string? header, string tenant, string expected)
    {
        var urgency = Read(header, null, Enum.Parse<Priority>(tenant));
        Assert.Null(urgency.Fault);
        Assert.Equal(Enum.Parse<Priority>(expected), urgency.Priority);
    }

    [Theory]
    [InlineData("urgent")]
    [InlineData("")]
    [InlineData("1")]
    [InlineData("batch,interactive")]
    public void Read_UnknownPriority_Fault(string header) =>
        Assert.Contains(RequestPriority.PriorityHeader, Read(header, null).Fault, StringComparison.Ordinal);

    [Theory]
    [InlineData("1", 1)]
    [InlineData("0.25", 0.25)]
    [InlineData("86400000", 86400)]
    [InlineData("99999999999999999999999999", 86400)]
    public void Read_Deadline_Seconds(string header, double seconds) => Assert.Equal(TimeSpan.FromSeconds(seconds), Read(null, header).Deadline);

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("")]
    [InlineData("NaN")]
    [InlineData("1e3")]
    [InlineData("1,5")]
    [InlineData("soon")]
    public void Read_NoPositiveNumber_Fault(string header) =>
        Assert.Contains(RequestPriority.DeadlineHeader, Read(null, header).Fault, StringComparison.Ordinal);

    private static RequestPriority Read(string? priority, string? deadline, Priority tenant = Priority.Interactive)
    {
        var headers = new HeaderDictionary();
        if (priority is not null)
            headers[RequestPriority.PriorityHeader] = priority;
        if (deadline is not null)
            headers[RequestPriority.DeadlineHeader] = deadline;
        return RequestPriority.Read(headers, Tenant.Anonymous with { Priority = tenant });
    }
}
