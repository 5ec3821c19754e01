namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>Ends a child process when its parent ends.</summary>
internal static class ParentWatch
{
    /// <summary>Waits until standard input closes. It closes when the parent ends, even after SIGKILL.</summary>
    public static async Task WaitAsync(CancellationToken cancellationToken)
    {
        var input = Console.OpenStandardInput();
        var buffer = new byte[16];
        // Not every platform can cancel a read from a pipe, so the wait is cancelled instead.
        while (await Task.Run(() => input.Read(buffer), CancellationToken.None).WaitAsync(cancellationToken) > 0)
        {
            // The content is ignored.
        }
    }
}
