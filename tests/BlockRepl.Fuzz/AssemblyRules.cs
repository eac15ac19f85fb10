using System.Runtime.Versioning;

// One test at a time: what a case allocates is measured on its thread, and how long it takes by the clock.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
[assembly: SupportedOSPlatform("linux")]
