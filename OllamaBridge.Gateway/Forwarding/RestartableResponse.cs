using System.IO.Pipelines;
using Microsoft.AspNetCore.Http.Features;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Forwarding;

/// <summary>Is written in several passes, each of which YARP's forwarder finds unstarted. Status and headers of later passes are dropped.</summary>
internal sealed class RestartableResponse : IHttpResponseFeature, IHttpResponseBodyFeature, IDisposable
{
    private readonly HttpContext _context;
    private readonly IHttpResponseFeature _response;
    private readonly IHttpResponseBodyFeature _body;
    private readonly PassOn _stream;
    private PipeWriter? _writer;

    private RestartableResponse(HttpContext context)
    {
        _context = context;
        _response = context.Features.GetRequiredFeature<IHttpResponseFeature>();
        _body = context.Features.GetRequiredFeature<IHttpResponseBodyFeature>();
        _stream = new PassOn(this);
    }

    public static RestartableResponse For(HttpContext context)
    {
        if (context.Features.Get<IHttpResponseFeature>() is RestartableResponse known)
            return known;
        var begun = new RestartableResponse(context);
        if (!begun._response.HasStarted)
            begun.Headers = new HeaderDictionary(begun._response.Headers.ToDictionary(StringComparer.OrdinalIgnoreCase));
        context.Features.Set<IHttpResponseFeature>(begun);
        context.Features.Set<IHttpResponseBodyFeature>(begun);
        return begun;
    }

    /// <summary>Does not replace the response of <paramref name="context"/>.</summary>
    public static RestartableResponse Over(HttpContext context) => new(context);

    public static bool HasBegun(HttpContext context) => context.Features.Get<IHttpResponseFeature>() switch
    {
        RestartableResponse begun => begun._response.HasStarted,
        var response => response?.HasStarted == true,
    };

    public int StatusCode { get; set; } = StatusCodes.Status200OK;

    public string? ReasonPhrase { get; set; }

    public IHeaderDictionary Headers { get; set; } = new HeaderDictionary();

    public bool HasStarted { get; private set; }

    public Stream Stream => _stream;

    public PipeWriter Writer => _writer ??= PipeWriter.Create(_stream, new StreamPipeWriterOptions(leaveOpen: true));

    [Obsolete("Use IHttpResponseBodyFeature.Stream.")]
    public Stream Body
    {
        get => _stream;
        set => throw new NotSupportedException();
    }

    /// <summary>Begins the response if necessary. Must not run during a pass. Kestrel aborts the connection if the write is cancelled.</summary>
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

    public static void Renew(HttpContext context)
    {
        if (context.Features.Get<IHttpResponseFeature>() is RestartableResponse begun)
            begun.Renew();
        else
            context.Response.StatusCode = StatusCodes.Status200OK;
    }

    public void Renew()
    {
        HasStarted = false;
        StatusCode = StatusCodes.Status200OK;
        ReasonPhrase = null;
        Headers = new HeaderDictionary();
    }

    public void OnStarting(Func<object, Task> callback, object state) => _response.OnStarting(callback, state);

    public void OnCompleted(Func<object, Task> callback, object state) => _response.OnCompleted(callback, state);

    public void DisableBuffering() => _body.DisableBuffering();

    public Task StartAsync(CancellationToken cancellationToken = default)
    {
        Commit();
        return _body.StartAsync(cancellationToken);
    }

    public Task SendFileAsync(string path, long offset, long? count, CancellationToken cancellationToken = default) =>
        SendFileFallback.SendFileAsync(_stream, path, offset, count, cancellationToken);

    /// <summary>Does nothing: another pass may follow, and the server completes the response when the request has been handled.</summary>
    public Task CompleteAsync() => Task.CompletedTask;

    public void Dispose()
    {
        if (HasStarted || StatusCode != StatusCodes.Status200OK)
            Commit();
        _context.Features.Set(_response);
        _context.Features.Set(_body);
    }

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

    private sealed class PassOn(RestartableResponse response) : ForwardOnlyStream
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
