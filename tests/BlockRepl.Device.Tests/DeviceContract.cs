using BlockRepl.Primitives;

namespace BlockRepl.Device.Tests;

/// <summary>What <see cref="IBlockDevice"/> promises, tried on any implementation against a plain array.</summary>
internal static class DeviceContract
{
    public static void Holds(IBlockDevice device, int seed)
    {
        var random = new Random(seed);
        byte[] model = new byte[device.SizeBytes];
        Assert.True(device.Read(0, model).IsOk);
        for (int round = 0; round < 300; round++)
        {
            int offset = random.Next(model.Length);
            int length = random.Next(Math.Min(model.Length - offset, 40_000) + 1);
            switch (random.Next(5))
            {
                case 0:
                case 1:
                    byte[] data = new byte[length];
                    random.NextBytes(data);
                    Assert.Equal(DiskResult.Ok, device.Write(offset, data, forceUnitAccess: random.Next(8) == 0));
                    data.CopyTo(model, offset);
                    break;
                case 2:
                    DiskResult discarded = device.Discard(offset, length);
                    Assert.Equal(device.Capabilities.CanDiscard ? DiskResult.Ok : DiskResult.NotSupported, discarded);
                    if (discarded.IsOk)
                        model.AsSpan(offset, length).Clear();
                    break;
                case 3:
                    bool fastOnly = random.Next(2) == 0;
                    DiskResult zeroed = device.WriteZeroes(offset, length, mayPunchHole: random.Next(2) == 0, fastOnly);
                    Assert.True(zeroed.IsOk || (fastOnly && zeroed == DiskResult.NotSupported), $"round {round}: {zeroed}");
                    if (zeroed.IsOk)
                        model.AsSpan(offset, length).Clear();
                    break;
                default:
                    if (random.Next(10) == 0)
                        Assert.Equal(DiskResult.Ok, device.Flush());
                    CheckExtents(device, model, offset);
                    break;
            }

            byte[] back = new byte[Math.Min(model.Length - offset, length + 5000)];
            Assert.Equal(DiskResult.Ok, device.Read(offset, back));
            Assert.True(back.AsSpan().SequenceEqual(model.AsSpan(offset, back.Length)), $"seed {seed}, round {round}");
        }

        byte[] all = new byte[model.Length];
        Assert.Equal(DiskResult.Ok, device.Read(0, all));
        Assert.True(all.AsSpan().SequenceEqual(model), $"seed {seed}");
        Assert.Throws<BugException>(() => device.Read(device.SizeBytes, new byte[1]));
        Assert.Throws<BugException>(() => device.Write(device.SizeBytes - 1, new byte[2], forceUnitAccess: false));
        Assert.Throws<BugException>(() => device.Discard(-1, 1));
        Assert.Throws<BugException>(() => device.WriteZeroes(1, long.MaxValue, mayPunchHole: true, fastOnly: false));
        Assert.Equal(DiskResult.Ok, device.Write(device.SizeBytes, [], forceUnitAccess: false));
    }

    private static void CheckExtents(IBlockDevice device, byte[] model, int offset)
    {
        int end = Math.Min(model.Length, offset + 200_000);
        while (offset < end)
        {
            Assert.Equal(DiskResult.Ok, device.GetExtent(offset, end - offset, out DeviceExtent extent));
            Assert.InRange(extent.Length, 1, end - offset);
            if (extent.IsHole)
                Assert.False(model.AsSpan(offset, (int)extent.Length).ContainsAnyExcept((byte)0), $"a hole with data at {offset}");
            offset += (int)extent.Length;
        }
    }
}
