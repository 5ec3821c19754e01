using OllamaBridge.Gateway.Accounting;
using OllamaBridge.Gateway.Pipeline;

namespace OllamaBridge.Gateway.Tests.Pipeline;

public sealed class RequestRecorderTests
{
    [Theory]
    [InlineData(200, RequestOutcome.Succeeded)]
    [InlineData(302, RequestOutcome.Succeeded)]
    [InlineData(399, RequestOutcome.Succeeded)]
    [InlineData(400, RequestOutcome.Rejected)]
    [InlineData(429, RequestOutcome.Rejected)]
    [InlineData(499, RequestOutcome.Rejected)]
    [InlineData(500, RequestOutcome.Failed)]
    [InlineData(503, RequestOutcome.Failed)]
    public void OutcomeOf_OutcomeUnset_FollowsStatus(int status, object expected) =>
        Assert.Equal((RequestOutcome)expected, RequestRecorder.OutcomeOf(new RequestResult(0), status));

    [Theory]
    [InlineData(RequestOutcome.Succeeded)]
    [InlineData(RequestOutcome.Rejected)]
    [InlineData(RequestOutcome.Failed)]
    [InlineData(RequestOutcome.Truncated)]
    [InlineData(RequestOutcome.Cancelled)]
    public void OutcomeOf_OutcomeSet_StatusIgnored(object outcome)
    {
        foreach (var status in (int[])[200, 400, 500])
            Assert.Equal((RequestOutcome)outcome, RequestRecorder.OutcomeOf(new RequestResult(0) { Outcome = (RequestOutcome)outcome }, status));
    }

    [Theory]
    [InlineData(null, 500, RequestOutcome.Rejected)]
    [InlineData(null, 200, RequestOutcome.Succeeded)]
    [InlineData(RequestOutcome.Failed, 200, RequestOutcome.Rejected)]
    [InlineData(RequestOutcome.Truncated, 200, RequestOutcome.Rejected)]
    [InlineData(RequestOutcome.Cancelled, 500, RequestOutcome.Cancelled)]
    public void OutcomeOf_RequestAtFault_FailureIsRejection(object? outcome, int status, object expected) => Assert.Equal(
        (RequestOutcome)expected,
        RequestRecorder.OutcomeOf(new RequestResult(0) { Outcome = (RequestOutcome?)outcome, IsRequestFault = true }, status));
}
