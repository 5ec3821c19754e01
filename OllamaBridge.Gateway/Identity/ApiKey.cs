using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace OllamaBridge.Gateway.Identity;

/// <summary>
/// An API key's form, <c>ob-ID-SECRET</c>, and what is kept of it: the id in clear, so that it is found without trying all, and a salted
/// SHA-256 of the secret. The secret has 256 random bits: a slow hash would only help a weak one, and cost every request.
/// </summary>
internal static class ApiKey
{
    /// <summary>What every key begins with, so that scanners of leaked secrets can know it.</summary>
    public const string Prefix = "ob-";

    /// <summary>Characters of an id.</summary>
    public const int IdLength = 12;

    private static readonly System.Buffers.SearchValues<char> IdCharacters = System.Buffers.SearchValues.Create("0123456789abcdef");
    private const int SecretBytes = 32;
    private const int SaltBytes = 16;
    private const int HashBytes = SHA256.HashSizeInBytes;
    private const int MaxSecret = 128;

    /// <summary>Makes a key.</summary>
    /// <returns>The key, which is shown once, and what is kept of it.</returns>
    public static (string Key, KeyVerifier Verifier) Create()
    {
        var id = RandomNumberGenerator.GetHexString(IdLength, lowercase: true);
        var secret = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(SecretBytes));
        return ($"{Prefix}{id}-{secret}", VerifierOf(id, secret));
    }

    /// <summary>The verifier of a whole key.</summary>
    /// <returns>False if the text is not a key of the form that <see cref="Create"/> makes: its secret must have 256 bits.</returns>
    public static bool TryCreateVerifier(ReadOnlySpan<char> key, [NotNullWhen(true)] out KeyVerifier? verifier)
    {
        verifier = null;
        if (!TrySplit(key, out var id, out var secret) || id.ContainsAnyExcept(IdCharacters) || !IsSecret(secret))
            return false;
        verifier = VerifierOf(id, secret);
        return true;
    }

    /// <summary>Takes a key apart.</summary>
    /// <returns>False for what cannot be a key of the bridge.</returns>
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

    /// <summary>Whether a secret is the one of a verifier. Takes as long for a wrong one as for the right one.</summary>
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

/// <summary>What is kept of a key. As text: <c>ID.SALT.HASH</c>, the last two in base64url.</summary>
/// <param name="Id">In clear; names the key towards operators.</param>
/// <param name="Salt">16 bytes.</param>
/// <param name="Hash">32 bytes.</param>
internal sealed record KeyVerifier(string Id, byte[] Salt, byte[] Hash)
{
    /// <summary>Reads the text.</summary>
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

    /// <inheritdoc/>
    public override string ToString() => $"{Id}.{Base64Url.EncodeToString(Salt)}.{Base64Url.EncodeToString(Hash)}";
}
