using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Options;
using OllamaBridge.Gateway.Common;

namespace OllamaBridge.Gateway.Protocols.Bodies;

internal enum BodyRefusal
{
    TooLarge,

    NoRoom,

    NoDisk,

    UnknownEncoding,

    Undecodable,
}

internal readonly record struct BodyResult(ReplayableBody? Body, BodyRefusal Refusal = default);

/// <summary>Stores bodies for repeated attempts: small ones in memory, larger ones in a file. While a budget is used up, no more bytes are read from
/// clients.</summary>
internal sealed class BodyBuffer(IOptions<LimitOptions> options, TimeProvider time, ILogger<BodyBuffer> logger)
{
    private LimitOptions Settings => options.Value;

    public ByteBudget Memory { get; } = new(options.Value.MaxBodyMemory, time);

    public ByteBudget Disk { get; } = new(options.Value.MaxBodyDisk, time);

    /// <exception cref="BadHttpRequestException">The client sent a malformed body, or sent it too slowly.</exception>
    public async Task<BodyResult> ReadAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        var length = request.ContentLength;
        if (length > Settings.MaxBody)
            return new(null, BodyRefusal.TooLarge);
        request.Body = new StallGuardStream(request.Body, Settings.SlowClientTimeout, time);
        request.HttpContext.Response.RegisterForDispose(request.Body);
        return length is { } known && known <= Settings.BodyMemoryThreshold
            ? await InMemoryAsync(request, known, cancellationToken)
            : await SpoolAsync(request.Body, length, cancellationToken);
    }

    /// <summary>The decoded body owns <paramref name="encoded"/>, and both keep their share of the budgets. If decoding fails, <paramref name="encoded"/> is
    /// disposed.</summary>
    public async Task<BodyResult> DecodeAsync(ReplayableBody encoded, string encoding, CancellationToken cancellationToken)
    {
        ReplayableBody? unused = encoded;
        try
        {
            if (RequestEncoding.DecoderFor(encoding) is not { } decoder)
                return new(null, BodyRefusal.UnknownEncoding);
            await using var decoded = decoder(encoded.OpenRead());
            var result = await SpoolAsync(decoded, null, cancellationToken);
            if (result.Body is null)
                return result;
            result.Body.KeepEncoded(encoded, encoding);
            unused = null;
            return result;
        }
        catch (Exception e) when (RequestEncoding.IsMalformed(e))
        {
            return new(null, BodyRefusal.Undecodable);
        }
        catch (IOException e)
        {
            // The file of the encoded body cannot be read.
            BodyLog.CannotSpool(logger, Directory(), e.GetType().Name);
            return new(null, BodyRefusal.NoDisk);
        }
        finally
        {
            unused?.Dispose();
        }
    }

    private async Task<BodyResult> InMemoryAsync(HttpRequest request, long length, CancellationToken cancellationToken)
    {
        ByteReservation? room = new(Memory);
        try
        {
            return length == 0 || await room.TakeAsync(length, Settings.BodyWait, cancellationToken)
                ? Keep(await ReplayableBody.ReadAsync(request, Settings.MaxBody, cancellationToken), ref room)
                : new(null, BodyRefusal.NoRoom);
        }
        finally
        {
            room?.Dispose();
        }
    }

    private async Task<BodyResult> SpoolAsync(Stream source, long? length, CancellationToken cancellationToken)
    {
        if (length > Disk.Limit)
            return new(null, BodyRefusal.TooLarge);
        var threshold = Settings.BodyMemoryThreshold;
        ByteReservation? memory = new(Memory), disk = new(Disk);
        await using var metered = new MeteredStream(source, threshold, disk, Settings.BodyWait);
        try
        {
            // Room for an announced body is taken at once; otherwise as the bytes arrive.
            if (!await memory.TakeAsync(threshold, Settings.BodyWait, cancellationToken)
                || (length is { } known && !await disk.TakeAsync(known, Settings.BodyWait, cancellationToken)))
                return new(null, BodyRefusal.NoRoom);
            await using var buffered = new FileBufferingReadStream(metered, threshold, Settings.MaxBody, Directory());
            await buffered.DrainAsync(cancellationToken);
            // Seeking also writes the bytes that the stream still holds.
            buffered.Position = 0;
            if (buffered.TempFileName is not null)
                return Keep(ReplayableBody.Of(SpooledFile.TakeOver(buffered)), ref disk);
            memory.ShrinkTo(buffered.Length);
            return Keep(await ReplayableBody.ReadAsync(buffered, buffered.Length, Settings.MaxBody, cancellationToken), ref memory);
        }
        catch (NoRoomException)
        {
            return new(null, BodyRefusal.NoRoom);
        }
        catch (IOException e) when (e.Message.StartsWith("Buffer limit exceeded", StringComparison.Ordinal))
        {
            return new(null, BodyRefusal.TooLarge);
        }
        catch (Exception e) when (!metered.IsBroken && e is IOException or UnauthorizedAccessException)
        {
            BodyLog.CannotSpool(logger, Directory(), e.GetType().Name);
            return new(null, BodyRefusal.NoDisk);
        }
        finally
        {
            memory?.Dispose();
            disk?.Dispose();
        }
    }

    private static BodyResult Keep(ReplayableBody? body, ref ByteReservation? room)
    {
        if (body is null)
            return new(null, BodyRefusal.TooLarge);
        body.Room = room;
        room = null;
        return new(body);
    }

    private string Directory() => string.IsNullOrWhiteSpace(Settings.SpoolDirectory) ? Path.GetTempPath() : Settings.SpoolDirectory;
}

/// <summary>Log messages about bodies. Event ids 1480–1489.</summary>
internal static partial class BodyLog
{
    [LoggerMessage(EventIds.Body.CannotSpool, LogLevel.Error, "Cannot store a request body in {Directory}: {Error}")]
    public static partial void CannotSpool(ILogger logger, string directory, string error);
}
