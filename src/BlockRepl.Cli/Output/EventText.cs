using System.Text;
using System.Text.Json;

namespace BlockRepl.Cli.Output;

/// <summary>An event as <c>drbdsetup events2</c> writes it: <c>change resource name:mail role:Primary</c>.</summary>
public static class EventText
{
    /// <summary>Turns a line of the daemon's event stream into text.</summary>
    public static string Format(string jsonLine)
    {
        using var document = JsonDocument.Parse(jsonLine);
        var text = new StringBuilder();
        foreach (var property in document.RootElement.EnumerateObject())
        {
            if (property.Name is "event" or "object")
            {
                text.Append(text.Length == 0 ? "" : " ").Append(property.Value.GetString());
                continue;
            }
            // DRBD writes hyphens everywhere but here.
            var key = property.Name is "may_promote" or "promotion_score" ? property.Name : property.Name.Replace('_', '-');
            text.Append(' ').Append(key).Append(':').Append(property.Value.ToString());
        }
        return text.ToString();
    }
}
