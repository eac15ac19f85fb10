using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Threading.Channels;
using BlockRepl.Cli.Output;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Cli.Commands;

/// <summary><c>status</c>: for a person, for a script, once or as it changes.</summary>
internal static class StatusCommand
{
    /// <summary>Creates the verb.</summary>
    public static Command Create(GlobalOptions global, CliConsole console)
    {
        var name = NameArgument.Create(required: false, takesVolume: false);
        var json = NameArgument.Flag("--json", "Print JSON");
        var watch = NameArgument.Flag("--watch", "Print again after each change, until interrupted");
        var command = new Command("status", "Print the state of resources, volumes and connections") { name, json, watch };
        command.SetAction(async (parse, cancellationToken) =>
        {
            var view = new View(global.Connect(parse), console, parse.GetValue(name)!, parse.GetValue(json));
            if (parse.GetValue(watch))
                await view.WatchAsync(cancellationToken);
            else
                view.Print(indent: true, cancellationToken);
            return ExitCodes.Done;
        });
        return command;
    }

    private sealed class View(ControlClient client, CliConsole console, string target, bool json)
    {
        // A terminal's "go home, erase the rest": the picture is replaced without a flicker.
        private const string Redraw = "\e[H\e[J";

        public void Print(bool indent, CancellationToken cancellationToken)
        {
            var body = client.StatusJson(target, cancellationToken);
            if (!json)
                StatusText.Write(console, JsonSerializer.Deserialize(body, ControlJson.Default.IReadOnlyListResourceStatus)!);
            else
                WriteJson(body, indent);
            console.Out.Flush();
        }

        /// <summary>Prints once for each burst of events; a line a state with <c>--json</c>.</summary>
        public async Task WatchAsync(CancellationToken cancellationToken)
        {
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var due = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
            var listening = Task.Run(() => Listen(due.Writer, stop.Token), CancellationToken.None);
            try
            {
                await foreach (var _ in due.Reader.ReadAllAsync(stop.Token))
                {
                    if (console.IsTerminal && !json)
                        console.Out.Write(Redraw);
                    Print(indent: false, stop.Token);
                    if (!console.IsTerminal && !json)
                        console.Out.WriteLine();
                }
            }
            finally
            {
                await stop.CancelAsync();
            }
            await listening;
        }

        private void Listen(ChannelWriter<bool> due, CancellationToken cancellationToken)
        {
            try
            {
                var dumped = false;
                foreach (var line in client.Events(target, now: false, cancellationToken))
                {
                    dumped |= line.Contains("\"object\":\"-\"", StringComparison.Ordinal);
                    if (dumped)
                        due.TryWrite(true);
                }
            }
            catch (Exception e)
            {
                due.TryComplete(e is CliRefusalException ? e : null);
                throw;
            }
        }

        private void WriteJson(byte[] body, bool indent)
        {
            using var document = JsonDocument.Parse(body);
            using var buffer = new MemoryStream();
            // Not for a web page: "+" and "/" stay readable.
            using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = indent, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
                document.WriteTo(writer);
            console.Out.WriteLine(System.Text.Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length));
        }
    }
}
