using System.Buffers;
using System.Text.Json;

namespace BlockRepl.Daemon.Control;

/// <summary>An event as one line of JSON: <c>{"event":"change","object":"resource","name":"mail","role":"Primary"}</c>.</summary>
public static class StatusEventJson
{
    /// <summary>Appends the event and a line feed.</summary>
    public static void WriteLine(IBufferWriter<byte> output, StatusEvent change)
    {
        using (var json = new Utf8JsonWriter(output))
        {
            json.WriteStartObject();
            json.WriteString("event", change.Kind);
            json.WriteString("object", change.ObjectType);
            foreach (var field in change.Fields)
            {
                var key = field.Key.Replace('-', '_');
                // Only these are numbers; a volume may be called "0" and is a name all the same.
                if (field.Key is "out-of-sync" or "size" or "promotion_score")
                    json.WriteNumber(key, long.Parse(field.Value, System.Globalization.CultureInfo.InvariantCulture));
                else
                    json.WriteString(key, field.Value);
            }
            json.WriteEndObject();
        }
        output.Write("\n"u8);
    }
}
