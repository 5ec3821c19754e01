namespace OllamaBridge.Benchmarks.EndToEnd;

/// <summary>Lets a child process end with whoever started it.</summary>
internal static class ParentWatch
{
    /// <summary>Waits until standard input ends, as it does when the parent has gone, however it went.</summary>
    public static async Task WaitAsync(CancellationToken cancellationToken)
    {
        var input = Console.OpenStandardInput();
        var buffer = new byte[16];
        // Reading a pipe cannot be cancelled everywhere, so the wait is given up rather than the read.
        while (await Task.Run(() => input.Read(buffer), CancellationToken.None).WaitAsync(cancellationToken) > 0)
        {
            // What it says does not matter.
        }
    }
}
