using BlockRepl.Daemon.Metadata;
using BlockRepl.Primitives;
using static BlockRepl.Daemon.Tests.Metadata.MetadataFixture;

namespace BlockRepl.Daemon.Tests.Metadata;

/// <summary>Alone, because the buffer pool is the process's and another test may take the warm buffer away.</summary>
[CollectionDefinition(nameof(MetadataAllocationTests), DisableParallelization = true)]
[Collection(nameof(MetadataAllocationTests))]
public sealed class MetadataAllocationTests
{
    [Fact]
    public void The_activity_log_and_the_bitmap_are_written_without_allocating()
    {
        (VolumeMetadataStore store, LoadedMetadata loaded) = Opened(InSync());
        uint[] table = Table(1, 2, 3);
        DirtyBitmap bitmap = loaded.Bitmaps[0]!;
        ulong transaction = loaded.ActivityLogTransaction;
        long before = 0;
        for (int round = 0; round < 50; round++)
        {
            if (round == 20)
                before = GC.GetAllocatedBytesForCurrentThread();
            store.WriteActivityLog(++transaction, table);
            store.WriteBitmap(0, bitmap, round, 1000);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }
}
