namespace BlockRepl.Device.Tests;

public sealed class NativeSupportTests
{
    [Fact]
    public void The_library_is_built_beside_the_program()
    {
        Assert.Equal("", NativeSupport.Current.Message);
        Assert.True(NativeSupport.Current.IsAvailable);
        Assert.True(File.Exists(Path.Combine(AppContext.BaseDirectory, "libblockrepl_native.so")));
    }

    [Fact]
    public void The_io_flusher_flag_is_set_or_refused_by_number()
    {
        // 1: EPERM, without CAP_SYS_RESOURCE.
        Assert.Contains(NativeSupport.SetIoFlusher(), new[] { 0, 1 });
    }

    [Fact]
    public void A_missing_library_says_what_cannot_be_had_and_what_still_works()
    {
        NativeSupport support = NativeSupport.Probe(() => throw new DllNotFoundException(), () => 0);
        Assert.False(support.IsAvailable);
        Assert.Contains("libblockrepl_native.so is missing", support.Message, StringComparison.Ordinal);
        Assert.Contains("buffered I/O works without it", support.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_library_of_another_version_or_maker_is_refused()
    {
        NativeSupport other = NativeSupport.Probe(() => NativeSupport.AbiVersion + 1, () => throw new InvalidOperationException("not to be called"));
        Assert.False(other.IsAvailable);
        Assert.Contains($"ABI version {NativeSupport.AbiVersion + 1}, this program needs {NativeSupport.AbiVersion}", other.Message, StringComparison.Ordinal);
        Assert.False(NativeSupport.Probe(() => throw new EntryPointNotFoundException(), () => 0).IsAvailable);
        Assert.False(NativeSupport.Probe(() => throw new BadImageFormatException(), () => 0).IsAvailable);
    }

    [Fact]
    public void A_kernel_that_forbids_io_uring_is_no_error_of_the_library()
    {
        NativeSupport support = NativeSupport.Probe(() => NativeSupport.AbiVersion, () => -1);
        Assert.Equal((true, UringFeatures.None), (support.IsAvailable, support.Uring));
    }
}
