namespace OllamaBridge.Simulator;

/// <summary>A recorded request.</summary>
/// <param name="Method">HTTP method.</param>
/// <param name="Path">Path with query, as sent.</param>
/// <param name="Headers">Headers with case-insensitive names; several values are joined by a comma.</param>
/// <param name="Body">The body; empty for uploads that are not kept.</param>
public sealed record SeenRequest(string Method, string Path, IReadOnlyDictionary<string, string> Headers, ReadOnlyMemory<byte> Body);
