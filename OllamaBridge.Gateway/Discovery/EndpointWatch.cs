using System.Collections.Immutable;
using System.Net;
using OllamaBridge.Gateway.Common;
using OllamaBridge.Gateway.Discovery.Kubernetes;
using k8s;
using k8s.Autorest;
using k8s.Models;

namespace OllamaBridge.Gateway.Discovery;

/// <summary>Watches one Service's EndpointSlices: lists them, then applies each change until it is disposed.</summary>
internal sealed class EndpointWatch : IDisposable
{
    private const string ServiceLabel = "kubernetes.io/service-name";
    // Times the retry interval.
    private const int MaxBackoff = 30;

    // The server ends a watch at the requested time; a watch that lasts longer has a dead connection.
    private static readonly TimeSpan WatchSlack = TimeSpan.FromSeconds(10);
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly IKubernetes _client;
    private readonly ServiceName _service;
    private readonly KubernetesOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Action _changed;
    private ImmutableDictionary<string, V1EndpointSlice> _slices = ImmutableDictionary<string, V1EndpointSlice>.Empty;
    private string? _problem;
    private string? _version;

    /// <summary><paramref name="service"/> must have a namespace. <paramref name="changed"/> is called after each change, and at the start and end of an outage.</summary>
    public EndpointWatch(
        IKubernetes client, ServiceName service, KubernetesOptions options, TimeProvider time, ILogger logger, Action changed)
    {
        (_client, _service, _options, _time, _logger, _changed) = (client, service, options, time, logger, changed);
        Ended = Task.Run(() => RunAsync(_stopping.Token));
    }

    public IEnumerable<V1EndpointSlice> Slices => Volatile.Read(ref _slices).Values;

    /// <summary>Why the slices may be out of date; null if they are current.</summary>
    public string? Problem => Volatile.Read(ref _problem);

    public Task First => _first.Task;

    public Task Ended { get; }

    public void Dispose()
    {
        // May be called twice: when the group is no longer needed, and by the container.
        if (!_stopping.IsCancellationRequested)
            _stopping.Cancel();
    }

    private async Task RunAsync(CancellationToken stopping)
    {
        var failures = 0;
        while (!stopping.IsCancellationRequested)
        {
            var since = _time.GetTimestamp();
            try
            {
                if (_version is null)
                    await ListAsync(stopping);
                await FollowAsync(stopping);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // After any failure, changes may have been missed, so the slices are listed again.
                _version = null;
                Note(Reason(e));
            }

            // A watch that lasted for the retry interval did work, so the back-off starts again.
            var lasted = _time.GetElapsedTime(since) >= _options.RetryInterval;
            failures = _version is not null && lasted ? 0 : lasted ? 1 : failures + 1;
            if (failures > 0)
                await Task.Delay(Backoff.Next(_options.RetryInterval, _options.RetryInterval * MaxBackoff, failures - 1), _time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task ListAsync(CancellationToken stopping)
    {
        using var timeout = new LinkedTimeout(_options.Timeout, _time, stopping);
        var list = await _client.DiscoveryV1.ListNamespacedEndpointSliceAsync(_service.Namespace, labelSelector: Selector, cancellationToken: timeout.Token);
        _version = list.Metadata?.ResourceVersion;
        Volatile.Write(ref _slices, (list.Items ?? []).ToImmutableDictionary(s => s.Metadata.Name, StringComparer.Ordinal));
        Note(null);
        _changed();
    }

    private async Task FollowAsync(CancellationToken stopping)
    {
        Exception? error = null;
        using var timeout = new CancellationTokenSource(_options.WatchTime + WatchSlack, _time);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, stopping);
        var events = _client.DiscoveryV1.WatchListNamespacedEndpointSliceAsync(
            _service.Namespace,
            allowWatchBookmarks: true,
            labelSelector: Selector,
            resourceVersion: _version,
            timeoutSeconds: (int)_options.WatchTime.TotalSeconds,
            onError: e =>
            {
                // Without the cancellation, the enumeration would continue after the error.
                error ??= e;
                end.Cancel();
            },
            cancellationToken: end.Token);
        try
        {
            await foreach (var (kind, slice) in events.WithCancellation(end.Token))
                Apply(kind, slice);
        }
        catch (Exception e) when (error is not null || e.GetBaseException() is EndOfStreamException || IsTooOld(e))
        {
            // Either an error, which is handled below, or the server ended the watch at the requested time without having sent an event.
            error ??= IsTooOld(e) ? e : null;
        }

        if (error is not null && IsTooOld(error))
        {
            DiscoveryLog.ListedAnew(_logger, _service.ToString());
            _version = null;
        }
        else if (error is not null)
        {
            throw error;
        }
    }

    private void Apply(WatchEventType kind, V1EndpointSlice slice)
    {
        if (slice?.Metadata is not { ResourceVersion: { } version } metadata)
            return;
        _version = version;
        if (kind is not (WatchEventType.Added or WatchEventType.Modified or WatchEventType.Deleted))
            return;
        Volatile.Write(ref _slices, kind == WatchEventType.Deleted ? _slices.Remove(metadata.Name) : _slices.SetItem(metadata.Name, slice));
        _changed();
    }

    private void Note(string? reason)
    {
        var problem = reason is null ? null : $"cannot read the endpoints of {_service} from Kubernetes ({reason})";
        var before = Interlocked.Exchange(ref _problem, problem);
        _first.TrySetResult();
        if (problem == before)
            return;
        if (problem is null)
            DiscoveryLog.EndpointsAgain(_logger, _service.ToString());
        else
            DiscoveryLog.NoEndpoints(_logger, problem);
        _changed();
    }

    private string Selector => $"{ServiceLabel}={_service.Name}";

    private static bool IsTooOld(Exception e) => e is KubernetesException { Status.Code: (int)HttpStatusCode.Gone }
        || e is HttpOperationException { Response.StatusCode: HttpStatusCode.Gone };

    private static string Reason(Exception e) => e switch
    {
        // No permission is missing here: the API server does not accept the token, or no longer does.
        HttpOperationException { Response.StatusCode: HttpStatusCode.Unauthorized } => "401: the API server rejects the bridge's token or the kubeconfig's credentials",
        HttpOperationException { Response.StatusCode: HttpStatusCode.Forbidden } =>
            "403: the bridge's service account needs get, list and watch on endpointslices of discovery.k8s.io in that namespace",
        HttpOperationException http => ((int)http.Response.StatusCode).ToString(System.Globalization.CultureInfo.InvariantCulture),
        KubernetesException { Status: { } status } => $"{status.Code} {status.Reason}",
        OperationCanceledException => "no response in time",
        HttpRequestException { HttpRequestError: not HttpRequestError.Unknown } request => request.HttpRequestError.ToString(),
        IOException => "the connection was lost",
        _ => e.GetType().Name,
    };
}
