using OllamaBridge.Gateway.State;

namespace OllamaBridge.Gateway.Tests.State;

public sealed class StateConnectionValidatorTests
{
    [Theory]
    [InlineData(null, true)]
    [InlineData("", true)]
    [InlineData("host:6379", true)]
    [InlineData(" ", false)]
    [InlineData("\t", false)]
    [InlineData("redis://host:6379", false)]
    public void Validate_ConnectionString_BlankOrUrlFails(string? text, bool isValid)
    {
        var result = new StateConnectionValidator().Validate(null, new StateOptions { ConnectionString = text });
        Assert.Equal(isValid, result.Succeeded);
        if (!isValid)
            Assert.StartsWith("Bridge:State:ConnectionString", result.FailureMessage, StringComparison.Ordinal);
    }
}
