using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace OllamaBridge.Gateway.Tenants;

/// <summary>The format of API keys, <c>ob-ID-SECRET</c>. Stored as id and salted SHA-256: a secret of 256 random bits needs no slow hash.</summary>
internal static class ApiKey
{
    /// <summary>The prefix of every key, by which scanners recognize leaked secrets.</summary>
    public const string Prefix = "ob-";

    public const int IdLength = 12;

    private static readonly System.Buffers.SearchValues<char> IdCharacters = System.Buffers.SearchValues.Create("0123456789abcdef");
    private const int SecretBytes = 32;
    private const int SaltBytes = 16;
    private const int HashBytes = SHA256.HashSizeInBytes;
    private const int MaxSecret = 128;

    /// <summary>Generates a key and its verifier. The key itself is not stored.</summary>
    public static (string Key, KeyVerifier Verifier) Create()
    {
        var id = RandomNumberGenerator.GetHexString(IdLength, lowercase: true);
        var secret = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(SecretBytes));
        return ($"{Prefix}{id}-{secret}", VerifierOf(id, secret));
    }

    /// <summary>False unless the text has the format of <see cref="Create"/> and its secret has 256 bits.</summary>
    public static bool TryCreateVerifier(ReadOnlySpan<char> key, [NotNullWhen(true)] out KeyVerifier? verifier)
    {
        verifier = null;
        if (!TrySplit(key, out var id, out var secret) || id.ContainsAnyExcept(IdCharacters) || !IsSecret(secret))
            return false;
        verifier = VerifierOf(id, secret);
        return true;
    }

    public static bool TrySplit(ReadOnlySpan<char> key, out ReadOnlySpan<char> id, out ReadOnlySpan<char> secret)
    {
        id = secret = default;
        if (key.Length <= Prefix.Length + IdLength + 1 || key.Length > Prefix.Length + IdLength + 1 + MaxSecret
            || !key.StartsWith(Prefix, StringComparison.Ordinal) || key[Prefix.Length + IdLength] != '-')
            return false;
        id = key.Slice(Prefix.Length, IdLength);
        secret = key[(Prefix.Length + IdLength + 1)..];
        return true;
    }

    /// <summary>Whether a secret matches a verifier, in constant time.</summary>
    public static bool Matches(KeyVerifier verifier, ReadOnlySpan<char> secret)
    {
        Span<byte> hash = stackalloc byte[HashBytes];
        Hash(verifier.Salt, secret, hash);
        return CryptographicOperations.FixedTimeEquals(hash, verifier.Hash);
    }

    private static bool IsSecret(ReadOnlySpan<char> secret)
    {
        Span<byte> bytes = stackalloc byte[SecretBytes];
        return Base64Url.IsValid(secret, out var length) && length == SecretBytes && Base64Url.TryDecodeFromChars(secret, bytes, out _);
    }

    private static KeyVerifier VerifierOf(ReadOnlySpan<char> id, ReadOnlySpan<char> secret)
    {
        var salt = RandomNumberGenerator.GetBytes(SaltBytes);
        var hash = new byte[HashBytes];
        Hash(salt, secret, hash);
        return new KeyVerifier(id.ToString(), salt, hash);
    }

    private static void Hash(ReadOnlySpan<byte> salt, ReadOnlySpan<char> secret, Span<byte> hash)
    {
        Span<byte> input = stackalloc byte[SaltBytes + (MaxSecret * 3)];
        salt.CopyTo(input);
        var length = Encoding.UTF8.GetBytes(secret, input[salt.Length..]);
        SHA256.HashData(input[..(salt.Length + length)], hash);
        CryptographicOperations.ZeroMemory(input);
    }
}

/// <summary>The stored part of a key. As text: <c>ID.SALT.HASH</c>, the last two (16 and 32 bytes) in base64url.</summary>
internal sealed record KeyVerifier(string Id, byte[] Salt, byte[] Hash)
{
    public static bool TryParse(string? text, [NotNullWhen(true)] out KeyVerifier? verifier)
    {
        verifier = null;
        if (text?.Trim().Split('.') is not [var id, var salt, var hash] || id.Length != ApiKey.IdLength || !id.All(char.IsAsciiHexDigitLower))
            return false;
        try
        {
            var (saltBytes, hashBytes) = (Base64Url.DecodeFromChars(salt), Base64Url.DecodeFromChars(hash));
            if (saltBytes.Length != 16 || hashBytes.Length != SHA256.HashSizeInBytes)
                return false;
            verifier = new KeyVerifier(id, saltBytes, hashBytes);
            return true;
        }
        catch (FormatException)
        {
            return false;
        }
    }

    public override string ToString() => $"{Id}.{Base64Url.EncodeToString(Salt)}.{Base64Url.EncodeToString(Hash)}";
}
