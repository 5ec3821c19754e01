using System.Buffers;
using System.IO.Compression;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Gateway.Protocols.Bodies;

namespace OllamaBridge.Gateway.Tests.Protocols.Bodies;

public sealed class BodyBufferTests : IDisposable
{
    private const int Threshold = 4096;
    private readonly string _folder = Directory.CreateTempSubdirectory("bodies").FullName;
    private readonly FakeTimeProvider _time = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0, true)]
    [InlineData(1, true)]
    [InlineData(Threshold, true)]
    [InlineData(Threshold + 1, false)]
    [InlineData(3_000_000, false)]
    public async Task Read_AnySize_SameBytesInMemoryOrOnDisk(int size, bool inMemory)
    {
        var bytes = Bytes(size);
        foreach (var length in new long?[] { size, null })
        {
            var buffer = Buffer();
            using (var body = (await buffer.ReadAsync(Request(new MemoryStream(bytes), length), Token)).Body!)
            {
                Assert.Equal(inMemory, body.IsInMemory);
                Assert.Equal(size, body.Length);
                Assert.Equal(bytes, body.Read(b => b.ToArray()));
                for (var i = 0; i < 2; i++)
                    Assert.Equal(bytes, await ReadAsync(body));
                Assert.Equal(inMemory ? size : 0, buffer.Memory.Used);
                Assert.Equal(inMemory, buffer.Disk.Used == 0);
                // The file has no name, so it cannot outlive the process.
                Assert.Empty(Directory.GetFiles(_folder));
            }

            Assert.Equal((0, 0), (buffer.Memory.Used, buffer.Disk.Used));
        }
    }

    [Fact]
    public async Task Replace_OnDisk_RangeReplaced()
    {
        var text = "{\"model\":\"alias\",\"prompt\":\"" + new string('x', 2 * Threshold) + "\"}";
        using var body = (await Buffer().ReadAsync(Request(new MemoryStream(Encoding.UTF8.GetBytes(text)), null), Token)).Body!;
        foreach (var name in new[] { "a", "much-longer-name:70b", "" })
        {
            body.Replace(9, 16, Encoding.UTF8.GetBytes($"\"{name}\""));
            var expected = text.Replace("alias", name, StringComparison.Ordinal);
            Assert.Equal(expected, Encoding.UTF8.GetString(await ReadAsync(body)));
            Assert.Equal(expected, body.Read(b => Encoding.UTF8.GetString(b)));
            Assert.Equal(expected.Length, body.Length);
        }
    }

    [Theory]
    [InlineData(100_001L)]
    [InlineData(null)]
    public async Task Read_TooLarge_ReleasesEverything(long? length)
    {
        var buffer = Buffer(o => o with { MaxBody = 100_000 });
        Assert.Equal(BodyRefusal.TooLarge, (await buffer.ReadAsync(Request(new MemoryStream(Bytes(100_001)), length), Token)).Refusal);
        Assert.Equal((0, 0), (buffer.Memory.Used, buffer.Disk.Used));
        Assert.Empty(Directory.GetFiles(_folder));
    }

    [Theory]
    [InlineData(Threshold, (long)Threshold)] // in memory, with Content-Length
    [InlineData(1_000_000, 1_000_000L)] // on disk, with Content-Length
    [InlineData(1_500_000, null)] // on disk, without Content-Length
    public async Task Read_NoRoom_WaitsThenRefuses(int size, long? length)
    {
        var buffer = Buffer(o => o with { MaxBodyMemory = 2 * Threshold, MaxBodyDisk = 1_600_000, BodyWait = TimeSpan.FromSeconds(10) });
        var first = (await buffer.ReadAsync(Request(new MemoryStream(Bytes(size)), length), Token)).Body!;
        var second = size == Threshold ? (await buffer.ReadAsync(Request(new MemoryStream(Bytes(size)), length), Token)).Body : null;

        var source = new CountingStream(new MemoryStream(Bytes(size)));
        var third = buffer.ReadAsync(Request(source, length), Token);
        Assert.False(third.IsCompleted);
        // Back-pressure: bytes without room are not read from the client.
        Assert.True(source.Read <= (length is null ? 1024 * 1024 : 0), $"{source.Read} bytes read");
        first.Dispose();
        using (var body = (await third).Body!)
        {
            Assert.Equal(size, body.Length);
            var fourth = buffer.ReadAsync(Request(new MemoryStream(Bytes(size)), length), Token);
            Assert.False(fourth.IsCompleted);
            // Writing to disk takes some time, so the wait can begin late.
            while (!fourth.IsCompleted)
            {
                _time.Advance(TimeSpan.FromSeconds(10));
                await Task.Yield();
            }

            Assert.Equal(BodyRefusal.NoRoom, (await fourth).Refusal);
        }

        second?.Dispose();
        Assert.Equal((0, 0), (buffer.Memory.Used, buffer.Disk.Used));
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(1_000_000)]
    public async Task Read_ClientStopsSending_408(int size)
    {
        var buffer = Buffer(o => o with { SlowClientTimeout = TimeSpan.FromSeconds(30) });
        var source = new StalledStream(Bytes(size / 2));
        var stalled = buffer.ReadAsync(Request(source, size), Token);
        await source.Stalled.Task;
        Assert.False(stalled.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(30));
        var e = await Assert.ThrowsAsync<BadHttpRequestException>(() => stalled);
        Assert.Equal(StatusCodes.Status408RequestTimeout, e.StatusCode);
        Assert.Equal((0, 0), (buffer.Memory.Used, buffer.Disk.Used));
        Assert.Empty(Directory.GetFiles(_folder));
    }

    [Fact]
    public async Task Read_FolderMissing_RefusedAsServerError()
    {
        var buffer = Buffer(o => o with { SpoolDirectory = Path.Combine(_folder, "missing") });
        Assert.Equal(BodyRefusal.NoDisk, (await buffer.ReadAsync(Request(new MemoryStream(Bytes(100_000)), null), Token)).Refusal);
        Assert.Equal((0, 0), (buffer.Memory.Used, buffer.Disk.Used));
    }

    [Theory]
    [InlineData("gzip", 0)]
    [InlineData("gzip", 1000)]
    [InlineData("gzip", 3_000_000)]
    [InlineData("zstd", 1000)]
    [InlineData("zstd", 3_000_000)]
    public async Task Decode_AnySize_DecodedForReadingAndForwardedUnchanged(string encoding, int size)
    {
        var buffer = Buffer();
        // Random bytes do not compress, so a large body is on disk in both forms.
        var plain = Bytes(size);
        var packed = Pack(encoding, plain);
        using (var body = (await buffer.DecodeAsync(await BodyAsync(buffer, packed), encoding, Token)).Body!)
        {
            Assert.Equal((size < Threshold, true, true), (body.IsInMemory, body.WasEncoded, body.IsEncoded));
            Assert.Equal(plain, body.Read(b => b.ToArray()));
            Assert.Equal(plain, await ReadAsync(body));
            Assert.Equal(packed, await ReadAsync(body.Outgoing));
            Assert.Equal(packed.Length, body.Outgoing.Length);
            Assert.True(buffer.Memory.Used + buffer.Disk.Used >= size + packed.Length);

            body.Replace(0, 0, "{"u8.ToArray());
            Assert.Equal((true, false), (body.WasEncoded, body.IsEncoded));
            byte[] replaced = [(byte)'{', .. plain];
            Assert.Equal(replaced, await ReadAsync(body.Outgoing));
            Assert.Equal(plain, body.ReadReceived(b => b.ToArray()));
        }

        Assert.Equal((0, 0), (buffer.Memory.Used, buffer.Disk.Used));
    }

    [Theory]
    [InlineData("gzip", 100_001, BodyRefusal.TooLarge)]
    [InlineData("zstd", 50_000_000, BodyRefusal.TooLarge)]
    [InlineData("br", 10, BodyRefusal.UnknownEncoding)]
    [InlineData("gzip", null, BodyRefusal.Undecodable)]
    [InlineData("zstd", null, BodyRefusal.Undecodable)]
    public async Task Decode_Impossible_ReleasesEverything(string encoding, int? size, object refusal)
    {
        var buffer = Buffer(o => o with { MaxBody = 100_000 });
        var packed = size is { } zeros ? Pack(encoding, new byte[zeros]) : Bytes(50);
        Assert.Equal(refusal, (await buffer.DecodeAsync(await BodyAsync(buffer, packed), encoding, Token)).Refusal);
        Assert.Equal((0, 0), (buffer.Memory.Used, buffer.Disk.Used));
    }

    [Fact]
    public async Task Decode_CutOff_Undecodable()
    {
        var buffer = Buffer();
        var packed = Pack("zstd", Bytes(1_000_000));
        Assert.Equal(BodyRefusal.Undecodable, (await buffer.DecodeAsync(await BodyAsync(buffer, packed[..^100_000]), "zstd", Token)).Refusal);
        Assert.Equal((0, 0), (buffer.Memory.Used, buffer.Disk.Used));
    }

    [Fact]
    public async Task Decode_NoRoomForDecodedBytes_Refused()
    {
        var buffer = Buffer(o => o with { MaxBodyDisk = 2_000_000, BodyWait = TimeSpan.Zero });
        Assert.Equal(BodyRefusal.NoRoom, (await buffer.DecodeAsync(await BodyAsync(buffer, Pack("gzip", new byte[3_000_000])), "gzip", Token)).Refusal);
        Assert.Equal((0, 0), (buffer.Memory.Used, buffer.Disk.Used));
    }

    [Fact]
    public async Task Take_Cancelled_LeavesQueue()
    {
        var budget = new ByteBudget(10, _time);
        Assert.True(await budget.TakeAsync(10, TimeSpan.Zero, Token));
        using var gone = new CancellationTokenSource();
        var first = budget.TakeAsync(5, TimeSpan.FromMinutes(1), gone.Token);
        var second = budget.TakeAsync(4, TimeSpan.FromMinutes(1), Token);
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await first);
        budget.Return(4);
        Assert.True(await second);
        Assert.Equal(10, budget.Used);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private BodyBuffer Buffer(Func<LimitOptions, LimitOptions>? change = null)
    {
        var options = new LimitOptions { BodyMemoryThreshold = Threshold, SpoolDirectory = _folder };
        return new BodyBuffer(Options.Create(change?.Invoke(options) ?? options), _time, NullLogger<BodyBuffer>.Instance);
    }

    private static HttpRequest Request(Stream body, long? length)
    {
        var request = new DefaultHttpContext().Request;
        (request.Body, request.ContentLength) = (body, length);
        return request;
    }

    private static async Task<ReplayableBody> BodyAsync(BodyBuffer buffer, byte[] bytes) =>
        (await buffer.ReadAsync(Request(new MemoryStream(bytes), bytes.Length), Token)).Body!;

    private static byte[] Pack(string encoding, byte[] bytes)
    {
        if (encoding == "zstd")
        {
            using var compressor = new ZstdSharp.Compressor();
            return compressor.Wrap(bytes).ToArray();
        }

        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionMode.Compress))
            gzip.Write(bytes);
        return packed.ToArray();
    }

    private static byte[] Bytes(int size)
    {
        var bytes = new byte[size];
        new Random(1).NextBytes(bytes);
        return bytes;
    }

    private static async Task<byte[]> ReadAsync(ReplayableBody body)
    {
        await using var stream = body.OpenRead();
        using var copy = new MemoryStream();
        await stream.CopyToAsync(copy, Token);
        return copy.ToArray();
    }

    private sealed class CountingStream(Stream source) : ForwardOnlyStream
    {
        public new long Read { get; private set; }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var read = await source.ReadAsync(buffer, cancellationToken);
            Read += read;
            return read;
        }
    }

    private sealed class StalledStream(byte[] begin) : ForwardOnlyStream
    {
        private int _at;

        public TaskCompletionSource Stalled { get; } = new();

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_at == begin.Length)
                Stalled.SetResult();
            if (_at == begin.Length)
                await Task.Delay(Timeout.Infinite, cancellationToken);
            var count = Math.Min(buffer.Length, begin.Length - _at);
            begin.AsMemory(_at, count).CopyTo(buffer);
            _at += count;
            return count;
        }
    }
}
