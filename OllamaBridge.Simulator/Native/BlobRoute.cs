using System.Security.Cryptography;
using OllamaBridge.Simulator.Hosting;

namespace OllamaBridge.Simulator.Native;

/// <summary>POST and HEAD /api/blobs/sha256:… : uploads are hashed as they arrive, and only small ones are kept.</summary>
internal static class BlobRoute
{
    private const string Sha = "sha256:";
    private const int DigestLength = 64;

    public static async Task HandleAsync(Call call)
    {
        if (!call.Tail.StartsWith(Sha, StringComparison.Ordinal) || call.Tail.Length != Sha.Length + DigestLength
            || call.Tail.AsSpan(Sha.Length).ContainsAnyExcept("0123456789abcdefABCDEF"))
            throw new ApiError(400, "invalid digest format");
        var digest = call.Tail[Sha.Length..];
        var exists = call.Store.Blobs.Contains(digest);
        if (call.IsHead)
        {
            if (!exists)
                throw new ApiError(404, $"blob \"{call.Tail}\" not found");
            await Reply.EmptyAsync(call.Http, 200);
        }
        else if (exists)
        {
            // The body is not read: Go closes a connection with an announced, unread body.
            if (call.Http.Request.Headers.Expect.Count > 0)
                call.Http.Response.Headers.Connection = "close";
            await Reply.EmptyAsync(call.Http, 200);
        }
        else
        {
            await UploadAsync(call, digest);
            await Reply.EmptyAsync(call.Http, 201);
        }
    }

    private static async Task UploadAsync(Call call, string digest)
    {
        using var writer = call.Store.Write();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var head = new MemoryStream();
        var reader = call.Http.Request.BodyReader;
        long size = 0;
        while (true)
        {
            var result = await reader.ReadAsync(call.Aborted);
            foreach (var segment in result.Buffer)
            {
                hash.AppendData(segment.Span);
                size += segment.Length;
                if (head.Length < BlobStore.KeptBytes)
                    head.Write(segment.Span[..(int)Math.Min(segment.Length, BlobStore.KeptBytes - head.Length)]);
            }
            reader.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted)
                break;
        }
        var got = Convert.ToHexStringLower(hash.GetHashAndReset());
        if (!string.Equals(got, digest, StringComparison.OrdinalIgnoreCase))
            throw new ApiError(400, $"digest mismatch, expected \"{Sha}{digest}\", got \"{Sha}{got}\"");
        call.Store.Blobs.Add(digest, size, head.ToArray());
    }
}
