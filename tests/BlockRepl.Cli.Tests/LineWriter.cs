using System.Text;
using System.Threading.Channels;

namespace BlockRepl.Cli.Tests;

/// <summary>Output that a test reads line by line while the command still runs.</summary>
internal sealed class LineWriter : TextWriter
{
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();
    private readonly StringBuilder _line = new();

    public override Encoding Encoding => Encoding.UTF8;

    public override void Write(char value)
    {
        if (value != '\n')
        {
            _line.Append(value);
            return;
        }
        _lines.Writer.TryWrite(_line.ToString());
        _line.Clear();
    }

    public async Task<string> ReadAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        return await _lines.Reader.ReadAsync(limit.Token);
    }

    public async Task<string> ReadUntilAsync(string wanted)
    {
        while (true)
        {
            var line = await ReadAsync();
            if (line.Contains(wanted, StringComparison.Ordinal))
                return line;
        }
    }
}
