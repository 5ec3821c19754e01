using System.Buffers;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.AspNetCore.Http;
using OllamaBridge.Gateway.Protocols;
using OllamaBridge.Testing.Streams;

namespace OllamaBridge.Gateway.Tests.Protocols;

public class ReplayableBodyTests
{
    private const int Segment = 64 * 1024;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(Segment - 1)]
    [InlineData(Segment)]
    [InlineData(Segment + 1)]
    [InlineData((2 * Segment) - 1)]
    [InlineData(2 * Segment)]
    [InlineData((3 * Segment) + 17)]
    public async Task Read_AnySize_SameBytesEachTime(int size)
    {
        var bytes = Random(size);
        foreach (var announced in new long?[] { size, null })
            foreach (var piece in new[] { 1000, Segment, 10 * Segment })
            {
                using var body = await ReadAsync(bytes, piece, announced, limit: size);
                Assert.NotNull(body);
                Assert.Equal(size, body.Length);
                Assert.Equal(bytes, body.Bytes.ToArray());
                for (var replay = 0; replay < 2; replay++)
                {
                    await using var stream = body.OpenRead();
                    using var copy = new MemoryStream();
                    await stream.CopyToAsync(copy, TestContext.Current.CancellationToken);
                    Assert.Equal(bytes, copy.ToArray());
                }
            }
    }

    [Theory]
    [InlineData(100, 99, true, false)]
    [InlineData(100, 99, false, false)]
    [InlineData(100, 100, true, true)]
    [InlineData(100, 100, false, true)]
    [InlineData(Segment + 1, Segment, false, false)]
    [InlineData(Segment, Segment, false, true)]
    public async Task Read_Limit_NullBeyond(int size, long limit, bool announced, bool read)
    {
        using var body = await ReadAsync(Random(size), 1000, announced ? size : null, limit);
        Assert.Equal(read, body is not null);
    }

    [Fact]
    public async Task Read_WrongContentLength_ActualLengthCounts()
    {
        using var body = await ReadAsync(Random(500), 100, announced: 10, limit: 1000);
        Assert.Equal(500, body!.Length);
        Assert.Null(await ReadAsync(Random(500), 100, announced: 10, limit: 499));
    }

    [Fact]
    public async Task Read_ClientDisconnects_Throws()
    {
        var request = new DefaultHttpContext().Request;
        request.Body = new PiecesStream([Random(10)], new BadHttpRequestException("gone"));
        await Assert.ThrowsAsync<BadHttpRequestException>(() => ReplayableBody.ReadAsync(request, 1000, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void SequenceStream_AnySegmentsAndBuffers_SameBytes() => Prop.ForAll(
        ArbMap.Default.ArbFor<byte[]>(), Gen.Choose(1, 5).ToArbitrary(), Gen.Choose(1, 9).ToArbitrary(), (bytes, piece, size) =>
        {
            using var stream = new SequenceStream(Segments.Of([.. bytes.Chunk(piece)]));
            var all = new List<byte>();
            var buffer = new byte[size];
            for (var n = stream.Read(buffer); n > 0; n = stream.Read(buffer))
                all.AddRange(buffer[..n]);
            return all.SequenceEqual(bytes) && stream.Read(buffer) == 0;
        }).Check(Config.QuickThrowOnFailure.WithQuietOnSuccess(true));

    [Fact]
    public async Task SequenceStream_EmptyBuffer_ReadsNothing()
    {
        await using var stream = new SequenceStream(new ReadOnlySequence<byte>([1, 2]));
        Assert.Equal(0, await stream.ReadAsync(Memory<byte>.Empty, TestContext.Current.CancellationToken));
        Assert.Equal(2, await stream.ReadAsync(new byte[9], TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, 10)]
    [InlineData(100, 107)]
    [InlineData(Segment - 3, Segment + 4)]
    [InlineData(Segment, Segment)]
    [InlineData((2 * Segment) + 10, (2 * Segment) + 20)]
    public async Task Replace_AnyRange_RestUnchangedForEachReplacement(int start, int end)
    {
        var bytes = Random((2 * Segment) + 20);
        using var body = (await ReadAsync(bytes, Segment, bytes.Length, limit: bytes.Length))!;
        foreach (var other in new[] { "first"u8.ToArray(), [], "another, longer one"u8.ToArray() })
        {
            body.Replace(start, end, other);
            byte[] expected = [.. bytes[..start], .. other, .. bytes[end..]];
            Assert.Equal(expected.Length, body.Length);
            Assert.Equal(expected, body.Bytes.ToArray());
            using var copy = new MemoryStream();
            await using var stream = body.OpenRead();
            await stream.CopyToAsync(copy, TestContext.Current.CancellationToken);
            Assert.Equal(expected, copy.ToArray());
        }
    }

    private static async Task<ReplayableBody?> ReadAsync(byte[] bytes, int piece, long? announced, long limit)
    {
        var request = new DefaultHttpContext().Request;
        request.Body = new PiecesStream(bytes.Chunk(piece));
        request.ContentLength = announced;
        return await ReplayableBody.ReadAsync(request, limit, TestContext.Current.CancellationToken);
    }

    private static byte[] Random(int size)
    {
        var bytes = new byte[size];
        new Random(size).NextBytes(bytes);
        return bytes;
    }
}

internal static class Segments
{
    public static ReadOnlySequence<byte> Of(params byte[][] parts)
    {
        var first = new Part([], 0);
        var last = parts.Aggregate(first, (part, bytes) => part.Append(bytes));
        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    private sealed class Part : ReadOnlySequenceSegment<byte>
    {
        public Part(byte[] bytes, long at)
        {
            Memory = bytes;
            RunningIndex = at;
        }

        public Part Append(byte[] bytes)
        {
            var next = new Part(bytes, RunningIndex + Memory.Length);
            Next = next;
            return next;
        }
    }
}
