using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("BlockRepl.Daemon.Tests")]
[assembly: InternalsVisibleTo("BlockRepl.Crash")]
[assembly: InternalsVisibleTo("BlockRepl.Fuzz")]
[assembly: InternalsVisibleTo("BlockRepl.Sim.Run")]
