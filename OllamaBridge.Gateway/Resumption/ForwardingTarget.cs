using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Restricts the instances that may serve a request.</summary>
/// <param name="Pinned">The only instance that may serve it first, if that matters (a blob and the <c>create</c> that refers to it); else null.</param>
/// <param name="ChooseNext">Chooses the only instance that may serve it after the given ones failed; null if any may.</param>
/// <param name="BeforeCompletion">Called before the last bytes of a complete response are sent; null for no action.</param>
/// <param name="IsUnload">Whether it only unloads its model, which costs the instance no slot.</param>
internal sealed record ForwardingTarget(
    Instance? Pinned = null,
    Func<IReadOnlySet<Instance>, Instance?>? ChooseNext = null,
    Func<CancellationToken, Task>? BeforeCompletion = null,
    bool IsUnload = false)
{
    /// <summary>Any instance that has the model.</summary>
    public static ForwardingTarget Any { get; } = new();
}
