using System.Net.Sockets;
using Microsoft.AspNetCore.Http;
using OllamaBridge.Gateway.Forwarding.Faults;
using Yarp.ReverseProxy.Forwarder;

namespace OllamaBridge.Gateway.Tests.Forwarding.Faults;

public sealed class ForwarderFailuresTests
{
    public static TheoryData<string, Exception?, string> Table => new()
    {
        { "RequestBodyClient", new BadHttpRequestException("bad chunk"), "ClientBody" },
        { "RequestBodyClient", new IOException("reset"), "ClientBody" },
        { "RequestTimedOut", new TaskCanceledException(), "TimedOut" },
        { "RequestBodyCanceled", new TaskCanceledException(), "TimedOut" },
        { "ResponseHeaders", new TaskCanceledException(), "TimedOut" },
        { "RequestCreation", new FormatException(), "BridgeError" },
        { "ResponseHeaders", new InvalidOperationException("Invalid control character"), "BridgeError" },
        { "Request", new HttpRequestException(HttpRequestError.ConnectionError, inner: new SocketException((int)SocketError.ConnectionRefused)), "Refused" },
        { "Request", new HttpRequestException(HttpRequestError.ConnectionError, inner: new SocketException((int)SocketError.HostUnreachable)), "Refused" },
        { "Request", new HttpRequestException(HttpRequestError.NameResolutionError), "Refused" },
        { "Request", new HttpRequestException(HttpRequestError.SecureConnectionError, inner: new System.Security.Authentication.AuthenticationException()), "Refused" },
        { "Request", new HttpRequestException(HttpRequestError.ConnectionError, inner: new SocketException((int)SocketError.AddressNotAvailable)), "BridgeError" },
        { "Request", new HttpRequestException(HttpRequestError.ConnectionError, inner: new SocketException((int)SocketError.TooManyOpenSockets)), "BridgeError" },
        { "Request", new HttpRequestException(HttpRequestError.InvalidResponse), "BridgeError" },
        { "Request", new HttpRequestException(HttpRequestError.ConfigurationLimitExceeded), "BridgeError" },
        { "Request", new HttpRequestException("Request headers must contain only ASCII characters."), "BridgeError" },
        { "Request", new InvalidOperationException(), "BridgeError" },
        { "Request", new HttpRequestException(HttpRequestError.ResponseEnded), "Broken" },
        { "Request", new HttpRequestException("sending", new IOException("reset", new SocketException((int)SocketError.ConnectionReset))), "Broken" },
        { "RequestBodyDestination", new IOException(), "Broken" },
        { "ResponseBodyDestination", new IOException(), "Broken" },
    };

    [Theory]
    [MemberData(nameof(Table))]
    public void Name_ForwarderError_Kind(string error, Exception? exception, string expected) =>
        Assert.Equal(expected, ForwarderFailures.Name(Enum.Parse<ForwarderError>(error), exception).ToString());

    [Theory]
    [InlineData("{\"error\":\"model requires more system memory (9.5 GiB) than is available (2.7 GiB)\"}", true)]
    [InlineData("{\"error\":\"llama runner process has terminated: cudaMalloc failed: out of memory\"}", true)]
    [InlineData("{\"error\":\"CUDA error: out of memory\"}", true)]
    [InlineData("{\"error\":\"unable to allocate CUDA0 buffer\"}", true)]
    [InlineData("{\"error\":\"the runner has stopped\"}", false)]
    public void IsToldBy_Messages_MemoryFailuresOnly(string body, bool expected) => Assert.Equal(expected, MemoryFailure.IsToldBy(System.Text.Encoding.UTF8.GetBytes(body)));
}
