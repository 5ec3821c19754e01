namespace OllamaBridge.Simulator.Hosting;

/// <summary>What answers one path.</summary>
/// <param name="Path">The path; ends with '/' where a parameter follows.</param>
internal sealed record Route(string Path)
{
    /// <summary>Answers GET (and HEAD where <see cref="Head"/>).</summary>
    public Func<Call, Task>? Get { get; init; }

    public Func<Call, Task>? Post { get; init; }

    public Func<Call, Task>? Delete { get; init; }

    /// <summary>Whether HEAD is answered too: by GET's handler, or POST's where there is no GET.</summary>
    public bool Head { get; init; }

    /// <summary>Whether it needs a model's work: what statistics count and faults strike by default.</summary>
    public bool Inference { get; init; }

    /// <summary>Whether the handler reads the body by itself.</summary>
    public bool Upload { get; init; }

    /// <summary>The methods in the order in which gin lists them.</summary>
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
