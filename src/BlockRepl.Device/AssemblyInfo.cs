using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("BlockRepl.Device.Tests")]
