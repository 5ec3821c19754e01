using System.Text.Json;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Resumption.Liveness;

/// <summary>Decides from successive responses of <c>/api/ps</c> whether a model is being loaded. Not thread-safe.</summary>
/// <remarks>
/// A server lists a model once its runner exists. Until the first request there has ended, servers compute <c>expires_at</c> from the current time,
/// so that it moves with the clock. Afterwards it is constant while requests run. A server that is loading may also send no response at all
/// (<c>loadedModels</c> in <c>server/sched.go</c>).
/// </remarks>
internal sealed class MemoryEvidence(string modelKey)
{
    private const int MovesThatProve = 2;
    private DateTimeOffset _expiresAt;
    private TimeSpan _at;
    private bool _hasLook;
    private int _moves;

    public bool IsLoading { get; private set; }

    /// <summary>
    /// Records that the server responds, but holds back the list of models in memory. That is evidence of a load only if
    /// <paramref name="mayReload"/>, that is, if the request may make the server load the model. If not, the server's ping of a frozen runner holds
    /// the list back (<c>needsReload</c> in <c>server/sched.go</c> takes the same lock as a load).
    /// </summary>
    public void AddNoAnswer(bool mayReload) => IsLoading |= mayReload;

    /// <summary>Adds the body of a response of <c>/api/ps</c>. <paramref name="at"/> is its time relative to any fixed time.</summary>
    public void Add(JsonElement running, TimeSpan at)
    {
        if (running.ValueKind != JsonValueKind.Object)
            return;
        if (Find(running) is not { } expiresAt)
        {
            IsLoading = true;
            _hasLook = false;
            return;
        }

        if (_hasLook)
        {
            var (clock, moved) = (at - _at, expiresAt - _expiresAt);
            _moves = clock > TimeSpan.Zero && (moved - clock).Duration() < clock * 0.3 ? _moves + 1 : 0;
            IsLoading |= _moves >= MovesThatProve;
        }

        (_hasLook, _at, _expiresAt) = (true, at, expiresAt);
    }

    /// <returns>The model's <c>expires_at</c>; null if it is not listed.</returns>
    private DateTimeOffset? Find(JsonElement running)
    {
        if (running.ValueKind != JsonValueKind.Object || !running.TryGetProperty("models", out var models) || models.ValueKind != JsonValueKind.Array)
            return null;
        foreach (var entry in models.EnumerateArray())
            if (entry.ValueKind == JsonValueKind.Object
                && entry.TryGetProperty("name", out var name) && name.ValueKind == JsonValueKind.String
                && ModelName.TryGetKey(name.GetString()!, out var key) && key == modelKey)
                return entry.TryGetProperty("expires_at", out var time) && time.ValueKind == JsonValueKind.String && time.TryGetDateTimeOffset(out var expiresAt)
                    ? expiresAt
                    : default(DateTimeOffset);
        return null;
    }
}
