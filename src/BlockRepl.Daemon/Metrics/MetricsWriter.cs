using System.Globalization;
using System.Text;

namespace BlockRepl.Daemon.Metrics;

/// <summary>
/// Writes metrics in Prometheus' text format, version 0.0.4. A family is begun once and all its samples follow; that is the format's rule, and a second beginning is a bug of the caller's.
/// Used by one thread.
/// </summary>
internal sealed class MetricsWriter
{
    private readonly StringBuilder _text = new(16 * 1024);
    private readonly HashSet<string> _families = [];
    private string _family = "";

    /// <summary>Begins a family of values that go up and down.</summary>
    public void Gauge(string name, string help) => Begin(name, help, "gauge");

    /// <summary>Begins a family of values that only grow; they begin anew with the daemon. Its name ends in <c>_total</c>.</summary>
    public void Counter(string name, string help) => Begin(name, help, "counter");

    /// <summary>A value of the family that was begun last.</summary>
    public void Sample(double value, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        _text.Append(_family);
        for (int i = 0; i < labels.Length; i++)
        {
            _text.Append(i == 0 ? '{' : ',').Append(labels[i].Name).Append("=\"");
            AppendEscaped(labels[i].Value);
            _text.Append('"');
        }

        if (labels.Length > 0)
            _text.Append('}');
        _text.Append(' ').Append(value.ToString("R", CultureInfo.InvariantCulture)).Append('\n');
    }

    /// <summary>What has been written.</summary>
    public override string ToString() => _text.ToString();

    private void Begin(string name, string help, string type)
    {
        Primitives.Check.That(_families.Add(name), "a family of metrics is begun twice");
        _family = name;
        _text.Append("# HELP ").Append(name).Append(' ').Append(help).Append('\n');
        _text.Append("# TYPE ").Append(name).Append(' ').Append(type).Append('\n');
    }

    private void AppendEscaped(string value)
    {
        foreach (char c in value)
        {
            _ = c switch
            {
                '\\' => _text.Append(@"\\"),
                '"' => _text.Append("\\\""),
                '\n' => _text.Append(@"\n"),
                _ => _text.Append(c),
            };
        }
    }
}
