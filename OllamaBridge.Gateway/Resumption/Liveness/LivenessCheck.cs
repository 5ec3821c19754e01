using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Fleet;
using OpenTelemetry;

namespace OllamaBridge.Gateway.Resumption.Liveness;

/// <summary>Checks a model's runner for all silent requests. Only <see cref="StallDetector"/>'s loop uses it; the checks run concurrently.</summary>
internal sealed class LivenessCheck(
    Instance instance, string modelKey, LivenessQuery query, HttpMessageInvoker client, LivenessOptions options, TimeProvider time) : IDisposable
{
    private static readonly MediaTypeHeaderValue Json = new("application/json");
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(2);
    private readonly CancellationTokenSource _end = new();
    private readonly EngineActivity? _engine = instance.OpenAI is null ? null : new EngineActivity();
    private long _nextAt;
    private long _unansweredSince;
    private long _answeredAt;
    private long _upAt;
    private long _workedAt;
    private bool _wasBad;
    private volatile bool _isChecking;
    private volatile bool _isLoading;
    private volatile bool _isEngineReadable;

    public Instance Instance => instance;

    public string ModelKey => modelKey;

    /// <summary>Reset by each sweep.</summary>
    public bool IsWanted { get; set; }

    public bool MayReload { get; set; }

    /// <summary>In <see cref="TimeProvider.GetTimestamp"/>'s ticks; 0 before the first response.</summary>
    public long AnsweredAt => Volatile.Read(ref _answeredAt);

    public void Update(long now)
    {
        IsWanted = true;
        if (_isChecking || now < Volatile.Read(ref _nextAt))
            return;
        _isChecking = true;
        if (Volatile.Read(ref _unansweredSince) == 0)
            Volatile.Write(ref _unansweredSince, now);
        _ = RunAsync();
    }

    /// <returns>Zero if the last check got a response.</returns>
    public TimeSpan Overdue(long now) =>
        Volatile.Read(ref _unansweredSince) is not 0 and var since ? time.GetElapsedTime(since, Math.Max(since, now)) : TimeSpan.Zero;

    public bool IsServerUp(long now) =>
        Math.Max(AnsweredAt, Volatile.Read(ref _upAt)) is not 0 and var at && time.GetElapsedTime(at, Math.Max(at, now)) < options.CheckTimeout;

    public LivenessState StateAt(long now)
    {
        var overdue = Overdue(now);
        if (overdue < options.CheckTimeout)
            return AnsweredAt != 0 ? LivenessState.Alive : LivenessState.Pending;
        if (_isLoading)
            return LivenessState.Loading;
        if (instance.OpenAI is null || !IsServerUp(now))
            return LivenessState.Unresponsive;
        // A generation waits for a slot like any other request. Reading the engine's figures does not.
        if (!_isEngineReadable)
            return LivenessState.Suspect;
        var worked = Volatile.Read(ref _workedAt);
        return time.GetElapsedTime(worked, Math.Max(worked, now)) < options.CheckTimeout ? LivenessState.Alive : LivenessState.Unresponsive;
    }

    /// <returns>Null if unchanged between good and bad since the last call.</returns>
    public LivenessState? NoteState(long now)
    {
        var state = StateAt(now);
        var isBad = state is LivenessState.Loading or LivenessState.Suspect or LivenessState.Unresponsive;
        if (isBad == _wasBad)
            return null;
        _wasBad = isBad;
        return state;
    }

    public void Dispose()
    {
        _end.Cancel();
        _end.Dispose();
    }

    private async Task RunAsync()
    {
        using var untraced = SuppressInstrumentationScope.Begin();
        var token = _end.Token;
        try
        {
            // Leave the loop that started the check.
            await Task.Yield();
            var evidence = instance.OpenAI is null ? new MemoryEvidence(modelKey) : null;
            Volatile.Write(ref _workedAt, time.GetTimestamp());
            if (evidence is not null)
                await LookAtMemoryAsync(evidence, token);
            var sent = SendAsync(token);
            using (var looking = CancellationTokenSource.CreateLinkedTokenSource(token))
            {
                var look = Task.CompletedTask;
                while (!sent.IsCompleted)
                {
                    if (_engine is not null && look.IsCompleted)
                        look = LookAtEngineAsync(_engine, looking.Token);
                    await Task.WhenAny(sent, Task.Delay(LookInterval, time, token));
                    if (!sent.IsCompleted && evidence is not null)
                        await LookAtMemoryAsync(evidence, token);
                }

                await looking.CancelAsync();
                await look.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            await sent;
            _isLoading = false;
            var now = time.GetTimestamp();
            Volatile.Write(ref _nextAt, now + Ticks(options.CheckInterval));
            Volatile.Write(ref _unansweredSince, 0);
            Volatile.Write(ref _answeredAt, now);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException or ObjectDisposedException)
        {
            // No response: the check stays overdue. Or the wait has ended.
            Volatile.Write(ref _nextAt, time.GetTimestamp() + Ticks(TimeSpan.FromSeconds(1)));
        }
        finally
        {
            _isChecking = false;
        }
    }

    private async Task SendAsync(CancellationToken cancellationToken)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, instance.Prefix + query.Path)
        {
            Content = new ByteArrayContent(Encoding.UTF8.GetBytes(query.Body)) { Headers = { ContentType = Json } },
        };
        instance.Authorize(message);
        using var response = await client.SendAsync(message, cancellationToken);
    }

    private async Task LookAtMemoryAsync(MemoryEvidence evidence, CancellationToken cancellationToken)
    {
        switch (await GetAsync(OllamaProbe.RunningPath, cancellationToken))
        {
            case { } running:
                Volatile.Write(ref _upAt, time.GetTimestamp());
                evidence.Add(ReadJson(running), time.GetElapsedTime(0));
                break;
            // Servers keep the list of running models locked while they load one. An unreachable machine sends no response at all.
            case null when !cancellationToken.IsCancellationRequested:
                if (await GetAsync(OllamaProbe.VersionPath, cancellationToken) is not null)
                {
                    Volatile.Write(ref _upAt, time.GetTimestamp());
                    evidence.AddNoAnswer(MayReload);
                }

                break;
        }

        _isLoading |= evidence.IsLoading;
    }

    /// <summary>Neither query waits for a slot.</summary>
    private async Task LookAtEngineAsync(EngineActivity engine, CancellationToken cancellationToken)
    {
        var health = await GetAsync(instance.OpenAI!.HealthPath ?? OpenAIProbe.HealthPath, cancellationToken);
        if (health is { IsMissing: true })
            health = await GetAsync(OpenAIProbe.ModelsPath, cancellationToken);
        // Servers report a dead engine with a status of 500 or above.
        if (health is { Status: < HttpStatusCode.InternalServerError })
            Volatile.Write(ref _upAt, time.GetTimestamp());
        if (engine.Path is not { } path || await GetAsync(path, cancellationToken) is not { } figures)
        {
            // llama-server responds between two batches, and a batch may take minutes on a CPU.
            _isEngineReadable = false;
            return;
        }

        if (engine.Add(figures.Status, Encoding.UTF8.GetString(figures.Body.Span)))
            Volatile.Write(ref _workedAt, time.GetTimestamp());
        _isEngineReadable = engine.IsReadable;
    }

    /// <summary>The default is no evidence: the server lacks the route or sends no JSON.</summary>
    private static JsonElement ReadJson(in ProbeAnswer answer) => answer.IsSuccess && answer.ReadObject() is { } json ? json : default;

    private async Task<ProbeAnswer?> GetAsync(string path, CancellationToken cancellationToken)
    {
        using var timeout = new LinkedTimeout(LookInterval, time, cancellationToken);
        try
        {
            using var message = new HttpRequestMessage(HttpMethod.Get, instance.Prefix + path);
            instance.Authorize(message);
            using var response = await client.SendAsync(message, timeout.Token);
            return new ProbeAnswer(response.StatusCode, await response.Content.ReadAsByteArrayAsync(timeout.Token));
        }
        catch (Exception e) when (e is HttpRequestException or IOException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return null;
        }
    }

    private long Ticks(TimeSpan span) => (long)(span.TotalSeconds * time.TimestampFrequency);
}
