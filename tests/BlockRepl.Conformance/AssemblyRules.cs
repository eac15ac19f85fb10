using System.Runtime.Versioning;

// One test at a time: each checks at its end that no buffer of the shared pool is left behind.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
[assembly: SupportedOSPlatform("linux")]
