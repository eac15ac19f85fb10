using System.Text;
using BlockRepl.Daemon.Control;

namespace BlockRepl.Daemon.Metrics;

/// <summary>
/// The text that is served. It is made at most once a second, however often it is asked for: making it takes each resource's gate for a moment, and who scrapes must not be able to slow
/// clients down. Any thread.
/// </summary>
/// <param name="node">This node's name.</param>
/// <param name="status">The resources as they are now.</param>
/// <param name="time">Clock for the age of the text.</param>
internal sealed class MetricsPage(string node, Func<IReadOnlyList<ResourceStatus>> status, TimeProvider time)
{
    /// <summary>The text is served again while it is younger than this.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private byte[]? _text;
    private long _madeAt;

    /// <summary>The metrics in UTF-8. The caller must not change them.</summary>
    public byte[] Text()
    {
        lock (_lock)
        {
            if (_text is null || time.GetElapsedTime(_madeAt) >= Lifetime)
            {
                var writer = new MetricsWriter();
                StatusMetrics.Write(writer, status());
                ProcessMetrics.Write(writer, node);
                _text = Encoding.UTF8.GetBytes(writer.ToString());
                _madeAt = time.GetTimestamp();
            }

            return _text;
        }
    }
}
