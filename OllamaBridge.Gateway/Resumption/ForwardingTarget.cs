using OllamaBridge.Gateway.Fleet;

namespace OllamaBridge.Gateway.Resumption;

/// <summary>Restricts the instances that may serve a request.</summary>
/// <param name="Pinned">The only instance that may serve it first (a blob and the <c>create</c> that refers to it); else null.</param>
/// <param name="ChooseNext">The only instance that may serve it after the given ones failed; null if any may.</param>
internal sealed record ForwardingTarget(
    Instance? Pinned = null,
    Func<IReadOnlySet<Instance>, Instance?>? ChooseNext = null,
    Func<CancellationToken, Task>? BeforeCompletion = null,
    bool IsUnload = false)
{
    public static ForwardingTarget Any { get; } = new();
}
