using System.Runtime.Versioning;

// One test at a time: the runs measure nothing, but two cores are few.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
[assembly: SupportedOSPlatform("linux")]
