namespace OllamaBridge.Simulator.Hosting;

/// <summary>The handlers of one path.</summary>
/// <param name="Path">The path; ends with '/' if a parameter follows.</param>
internal sealed record Route(string Path)
{
    /// <summary>Handles GET (and HEAD if <see cref="Head"/>).</summary>
    public Func<Call, Task>? Get { get; init; }

    public Func<Call, Task>? Post { get; init; }

    public Func<Call, Task>? Delete { get; init; }

    /// <summary>Whether HEAD is supported: by GET's handler, or POST's if there is no GET.</summary>
    public bool Head { get; init; }

    /// <summary>Whether it uses a model: counted by statistics, and subject to faults by default.</summary>
    public bool Inference { get; init; }

    /// <summary>Whether the handler itself reads the body.</summary>
    public bool Upload { get; init; }

    /// <summary>The methods in gin's order.</summary>
    public string Allow => string.Join(", ", Methods());

    public Func<Call, Task>? For(string method) => method switch
    {
        "GET" => Get,
        "POST" => Post,
        "DELETE" => Delete,
        "HEAD" => Head ? Get ?? Post : null,
        _ => null,
    };

    private IEnumerable<string> Methods()
    {
        if (Head)
            yield return "HEAD";
        if (Get is not null)
            yield return "GET";
        if (Post is not null)
            yield return "POST";
        if (Delete is not null)
            yield return "DELETE";
    }
}
