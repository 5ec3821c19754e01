using System.IO.Pipelines;
using Microsoft.AspNetCore.Http.Features;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>
/// Stands before a request's response, so that it can be written in several goes: to YARP's forwarder, which wants a response that nobody
/// has touched, each go looks like the first. What a later go says of status and headers is dropped; its body follows what was sent.
/// </summary>
internal sealed class BegunResponse : IHttpResponseFeature, IHttpResponseBodyFeature, IDisposable
{
    private readonly HttpContext _context;
    private readonly IHttpResponseFeature _response;
    private readonly IHttpResponseBodyFeature _body;
    private readonly PassOn _stream;
    private PipeWriter? _writer;

    private BegunResponse(HttpContext context)
    {
        _context = context;
        _response = context.Features.GetRequiredFeature<IHttpResponseFeature>();
        _body = context.Features.GetRequiredFeature<IHttpResponseBodyFeature>();
        _stream = new PassOn(this);
    }

    /// <summary>Puts one before a request's response, keeping what its headers say so far; the same one where there is one.</summary>
    public static BegunResponse For(HttpContext context)
    {
        if (context.Features.Get<IHttpResponseFeature>() is BegunResponse known)
            return known;
        var begun = new BegunResponse(context);
        if (!begun._response.HasStarted)
            begun.Headers = new HeaderDictionary(begun._response.Headers.ToDictionary(StringComparer.OrdinalIgnoreCase));
        context.Features.Set<IHttpResponseFeature>(begun);
        context.Features.Set<IHttpResponseBodyFeature>(begun);
        return begun;
    }

    /// <summary>Makes one over a request's response, without putting it there.</summary>
    public static BegunResponse Over(HttpContext context) => new(context);

    /// <summary>Whether the client has been sent something.</summary>
    public static bool HasBegun(HttpContext context) => context.Features.Get<IHttpResponseFeature>() switch
    {
        BegunResponse begun => begun._response.HasStarted,
        var response => response?.HasStarted == true,
    };

    /// <inheritdoc/>
    public int StatusCode { get; set; } = StatusCodes.Status200OK;

    /// <inheritdoc/>
    public string? ReasonPhrase { get; set; }

    /// <inheritdoc/>
    public IHeaderDictionary Headers { get; set; } = new HeaderDictionary();

    /// <inheritdoc/>
    public bool HasStarted { get; private set; }

    /// <inheritdoc/>
    public Stream Stream => _stream;

    /// <inheritdoc/>
    public PipeWriter Writer => _writer ??= PipeWriter.Create(_stream, new StreamPipeWriterOptions(leaveOpen: true));

    /// <inheritdoc/>
    [Obsolete("Use IHttpResponseBodyFeature.Stream.")]
    public Stream Body
    {
        get => _stream;
        set => throw new NotSupportedException();
    }

    /// <summary>Sends something that belongs to no go, and begins the response if need be. Not while a go is being written.</summary>
    /// <param name="contentType">The response's type, where this begins it.</param>
    /// <param name="bytes">What to send.</param>
    /// <param name="cancellationToken">Ends the wait for the client to take it.</param>
    public async ValueTask WriteAsideAsync(string contentType, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        if (!_response.HasStarted)
        {
            _response.Headers.ContentType = contentType;
            ProxyBuffering.Disable(_response.Headers);
        }

        await _body.Stream.WriteAsync(bytes, cancellationToken);
        await _body.Stream.FlushAsync(cancellationToken);
    }

    /// <summary>The response has been touched, but nothing of it sent: another go begins.</summary>
    public static void Renew(HttpContext context)
    {
        if (context.Features.Get<IHttpResponseFeature>() is BegunResponse begun)
            begun.Renew();
        else
            context.Response.StatusCode = StatusCodes.Status200OK;
    }

    /// <summary>Another go begins.</summary>
    public void Renew()
    {
        HasStarted = false;
        StatusCode = StatusCodes.Status200OK;
        ReasonPhrase = null;
        Headers = new HeaderDictionary();
    }

    /// <inheritdoc/>
    public void OnStarting(Func<object, Task> callback, object state) => _response.OnStarting(callback, state);

    /// <inheritdoc/>
    public void OnCompleted(Func<object, Task> callback, object state) => _response.OnCompleted(callback, state);

    /// <inheritdoc/>
    public void DisableBuffering() => _body.DisableBuffering();

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken = default)
    {
        Commit();
        return _body.StartAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public Task SendFileAsync(string path, long offset, long? count, CancellationToken cancellationToken = default) =>
        SendFileFallback.SendFileAsync(_stream, path, offset, count, cancellationToken);

    /// <summary>Nothing: another go may follow; the server completes the response when the request has been handled.</summary>
    public Task CompleteAsync() => Task.CompletedTask;

    /// <summary>Takes it away again.</summary>
    public void Dispose()
    {
        if (HasStarted || StatusCode != StatusCodes.Status200OK)
            Commit();
        _context.Features.Set(_response);
        _context.Features.Set(_body);
    }

    /// <summary>Says the status and the headers of this go, unless an earlier one did.</summary>
    public void Commit()
    {
        HasStarted = true;
        if (_response.HasStarted)
            return;
        _response.StatusCode = StatusCode;
        _response.ReasonPhrase = ReasonPhrase;
        foreach (var (name, value) in Headers)
            _response.Headers[name] = value;
    }

    private sealed class PassOn(BegunResponse response) : ForwardOnlyStream
    {
        public override bool CanRead => false;

        public override bool CanWrite => true;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (!response.HasStarted)
                response.Commit();
            return response._body.Stream.WriteAsync(buffer, cancellationToken);
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override Task FlushAsync(CancellationToken cancellationToken)
        {
            if (!response.HasStarted)
                response.Commit();
            return response._body.Stream.FlushAsync(cancellationToken);
        }
    }
}
