using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("BlockRepl.Cli.Tests")]
