using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("BlockRepl.Daemon.Tests")]
[assembly: InternalsVisibleTo("BlockRepl.Sim.Run")]
