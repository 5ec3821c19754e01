using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace OllamaBridge.Gateway.Tenants;

/// <summary>
/// The format of API keys, <c>ob-ID-SECRET</c>. The bridge stores the id in clear, for lookup, and a salted
/// SHA-256 of the secret. The secret has 256 random bits: a slow hash would only protect weaker secrets, at a cost for every request.
/// </summary>
internal static class ApiKey
{
    /// <summary>The prefix of every key, by which scanners recognize leaked secrets.</summary>
    public const string Prefix = "ob-";

    /// <summary>Length of an id in characters.</summary>
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

    /// <summary>
    /// Makes the verifier of a complete key. Returns false unless the text has the format of <see cref="Create"/> and its secret has 256 bits.
    /// </summary>
    public static bool TryCreateVerifier(ReadOnlySpan<char> key, [NotNullWhen(true)] out KeyVerifier? verifier)
    {
        verifier = null;
        if (!TrySplit(key, out var id, out var secret) || id.ContainsAnyExcept(IdCharacters) || !IsSecret(secret))
            return false;
        verifier = VerifierOf(id, secret);
        return true;
    }

    /// <summary>Splits a key into id and secret. Returns false if the text does not have the format of a key.</summary>
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

/// <summary>The stored part of a key. As text: <c>ID.SALT.HASH</c>, the last two in base64url.</summary>
/// <param name="Id">The key's id, in clear; it identifies the key to operators.</param>
/// <param name="Salt">16 bytes.</param>
/// <param name="Hash">32 bytes.</param>
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
