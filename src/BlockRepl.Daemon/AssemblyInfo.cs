using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("BlockRepl.Daemon.Tests")]
