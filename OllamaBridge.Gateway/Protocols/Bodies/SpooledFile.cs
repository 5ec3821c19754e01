using System.Buffers;
using System.IO.MemoryMappedFiles;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Win32.SafeHandles;

namespace OllamaBridge.Gateway.Protocols.Bodies;

/// <summary>A body in a file without a name, which vanishes when the handle is closed, even if the process is killed.</summary>
internal sealed class SpooledFile : IDisposable
{
    private readonly SafeFileHandle _handle;

    private SpooledFile(SafeFileHandle handle, long length) => (_handle, Length) = (handle, length);

    public long Length { get; }

    public static SpooledFile TakeOver(FileBufferingReadStream buffered)
    {
        var path = buffered.TempFileName!;
        var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, FileOptions.Asynchronous);
        File.Delete(path);
        return new SpooledFile(handle, RandomAccess.GetLength(handle));
    }

    public ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken) =>
        RandomAccess.ReadAsync(_handle, buffer, offset, cancellationToken);

    /// <summary>The bytes are mapped into memory, and valid only inside <paramref name="read"/>.</summary>
    public T Read<T>(Func<ReadOnlyMemory<byte>, T> read)
    {
        using var file = MemoryMappedFile.CreateFromFile(_handle, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        using var view = file.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read);
        using var memory = new MappedMemory(view.SafeMemoryMappedViewHandle, checked((int)Length));
        return read(memory.Memory);
    }

    public void Dispose() => _handle.Dispose();

    private sealed unsafe class MappedMemory : MemoryManager<byte>
    {
        private readonly SafeMemoryMappedViewHandle _view;
        private readonly int _length;
        private byte* _start;

        public MappedMemory(SafeMemoryMappedViewHandle view, int length)
        {
            (_view, _length) = (view, length);
            view.AcquirePointer(ref _start);
        }

        public override Span<byte> GetSpan() => new(_start, _length);

        public override MemoryHandle Pin(int elementIndex = 0) => new(_start + elementIndex);

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
            if (_start is null)
                return;
            _start = null;
            _view.ReleasePointer();
        }
    }
}
