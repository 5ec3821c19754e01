using OllamaBridge.Gateway.Fleet;
using OllamaBridge.Gateway.Forwarding.Faults;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Tests.Forwarding.Faults;

public sealed class FaultClassifierTests
{
    // Each failure and its fault if no other instance was tried, another succeeded, another failed alike, another failed differently.
    public static TheoryData<string, string, string, string, string> Table => new()
    {
        { nameof(InstanceFailure.Refused), "Instance", "Instance", "Instance", "Instance" },
        { nameof(InstanceFailure.Broken), "Unknown", "Instance", "Request", "Unknown" },
        { nameof(InstanceFailure.ServerError), "Unknown", "Instance", "Request", "Unknown" },
        { nameof(InstanceFailure.TimedOut), "Unknown", "Instance", "Request", "Unknown" },
        { nameof(InstanceFailure.OutOfMemory), "Unknown", "Instance", "Request", "Unknown" },
        { nameof(InstanceFailure.StaleCatalog), "Bridge", "Bridge", "Bridge", "Bridge" },
        { nameof(InstanceFailure.BridgeError), "Bridge", "Bridge", "Bridge", "Bridge" },
        { nameof(InstanceFailure.StaleConnection), "Bridge", "Bridge", "Bridge", "Bridge" },
        { nameof(InstanceFailure.ClientBody), "Client", "Client", "Client", "Client" },
        { nameof(InstanceFailure.Drained), "Bridge", "Bridge", "Bridge", "Bridge" },
        { nameof(InstanceFailure.Stopped), "Bridge", "Bridge", "Bridge", "Bridge" },
        { nameof(InstanceFailure.Overtaken), "Bridge", "Bridge", "Bridge", "Bridge" },
    };

    [Theory]
    [MemberData(nameof(Table))]
    public void Classify_Inference_ByOtherInstancesOutcomes(string failure, string notAsked, string answered, string alike, string otherwise)
    {
        foreach (var (others, expected) in new[]
        {
            (OtherInstances.NotAsked, notAsked), (OtherInstances.Answered, answered),
            (OtherInstances.FailedAlike, alike), (OtherInstances.FailedOtherwise, otherwise),
        })
        {
            var evidence = new AttemptEvidence(Enum.Parse<InstanceFailure>(failure), OperationKind.Inference, others);
            Assert.Equal((others, expected), (others, FaultClassifier.Classify(evidence).ToString()));
            Assert.Equal(Fault.Client, FaultClassifier.Classify(evidence with { ClientLeft = true }));
            // A request that is known to fail is not attributed to an instance that received it.
            if (failure != nameof(InstanceFailure.Refused))
                Assert.NotEqual(Fault.Instance, FaultClassifier.Classify(evidence with { IsKnownToFail = true }));
        }
    }

    [Fact]
    public void Table_Failures_Complete() =>
        Assert.Equal(Enum.GetNames<InstanceFailure>().Order(), Table.Select(r => r.Data.Item1).Order());

    [Theory]
    [InlineData(nameof(InstanceFailure.ServerError))]
    [InlineData(nameof(InstanceFailure.Broken))]
    [InlineData(nameof(InstanceFailure.TimedOut))]
    [InlineData(nameof(InstanceFailure.OutOfMemory))]
    public void Classify_Management_NotInstancesFault(string failure)
    {
        foreach (var others in Enum.GetValues<OtherInstances>())
            Assert.NotEqual(
                Fault.Instance, FaultClassifier.Classify(new AttemptEvidence(Enum.Parse<InstanceFailure>(failure), OperationKind.Management, others)));
    }

    [Fact]
    public void Classify_Rejected_RequestsFault() =>
        Assert.Equal(Fault.Request, FaultClassifier.Classify(new AttemptEvidence(null, OperationKind.Inference) { Rejected = true }));

    [Theory]
    [InlineData(nameof(InstanceFailure.ServerError), false, false, true)]
    [InlineData(nameof(InstanceFailure.ServerError), true, false, false)] // a full queue empties
    [InlineData(nameof(InstanceFailure.OutOfMemory), false, false, true)]
    [InlineData(nameof(InstanceFailure.BridgeError), false, false, true)]
    [InlineData(nameof(InstanceFailure.Broken), false, false, true)]
    [InlineData(nameof(InstanceFailure.Broken), false, true, false)] // both instances may have died
    [InlineData(nameof(InstanceFailure.TimedOut), false, false, false)]
    [InlineData(nameof(InstanceFailure.Refused), false, false, false)]
    public void WillRepeat_Failures_TransientOnesFalse(string failure, bool isBusy, bool hasBegun, bool expected) =>
        Assert.Equal(expected, FaultClassifier.WillRepeat(Enum.Parse<InstanceFailure>(failure), isBusy, hasBegun));

    [Theory]
    [InlineData(500, 500, true)]
    [InlineData(500, 502, false)]
    public void IsAlike_SameKindAndStatus(int one, int other, bool expected) =>
        Assert.Equal(expected, FaultClassifier.IsAlike(InstanceFailure.ServerError, one, InstanceFailure.ServerError, other));
}
