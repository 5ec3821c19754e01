using System.Text.Json;
using OllamaBridge.Gateway.Protocols;

namespace OllamaBridge.Gateway.Resumption.Liveness;

/// <summary>Detects a load: <c>expires_at</c> moves with the clock until the first request on a new runner has ended. Not thread-safe.</summary>
internal sealed class MemoryEvidence(string modelKey)
{
    private const int MovesThatProve = 2;
    private DateTimeOffset _expiresAt;
    private TimeSpan _at;
    private bool _hasLook;
    private int _moves;

    public bool IsLoading { get; private set; }

    /// <summary>No response is evidence only with <paramref name="mayReload"/>: a ping of a frozen runner takes the same lock (<c>needsReload</c>).</summary>
    public void AddNoAnswer(bool mayReload) => IsLoading |= mayReload;

    /// <param name="at">The response's time relative to any fixed time.</param>
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
