using System.Text.Json;
using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Forwarding.Liveness;

/// <summary>What successive answers of <c>/api/ps</c> say about whether a model is being loaded. Not thread-safe.</summary>
/// <remarks>
/// A server lists a model once its runner exists. Until the first request there has ended, servers compute <c>expires_at</c> from the
/// current time, so that it moves with the clock; afterwards it stands still while requests run. A server that is loading may also
/// not answer at all (<c>loadedModels</c> in <c>server/sched.go</c>).
/// </remarks>
internal sealed class MemoryEvidence(string modelKey)
{
    private const int MovesThatProve = 2;
    private DateTimeOffset _expiresAt;
    private TimeSpan _at;
    private bool _hasLook;
    private int _moves;

    /// <summary>Whether the model is being loaded, as far as is known.</summary>
    public bool IsLoading { get; private set; }

    /// <summary>The server answers, but holds back the list of models in memory.</summary>
    /// <param name="mayReload">
    /// Whether the request may make the server load the model. Else the list is held back by the server's ping of a frozen runner
    /// (<c>needsReload</c> in <c>server/sched.go</c> holds the same lock as a load).
    /// </param>
    public void AddNoAnswer(bool mayReload) => IsLoading |= mayReload;

    /// <summary>Takes in an answer.</summary>
    /// <param name="running">The body of <c>/api/ps</c>.</param>
    /// <param name="at">When it came, counted from any fixed time.</param>
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

    /// <returns>When the model expires; null if it is not listed.</returns>
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
