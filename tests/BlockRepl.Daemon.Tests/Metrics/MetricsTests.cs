using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using BlockRepl.Daemon.Configuration;
using BlockRepl.Daemon.Control;
using BlockRepl.Daemon.Metrics;
using BlockRepl.Daemon.Tests.Configuration;
using BlockRepl.Daemon.Tests.Control;
using BlockRepl.Daemon.Tests.Replication;
using BlockRepl.Primitives;
using Microsoft.Extensions.Logging.Abstractions;

namespace BlockRepl.Daemon.Tests.Metrics;

/// <summary>The metrics: their text, and the endpoint that serves it. tests/e2e/monitoring.sh has Prometheus' own tools read it.</summary>
public sealed class MetricsTests
{
    [Fact]
    public void Labels_are_escaped_as_the_format_wants_them()
    {
        var writer = new MetricsWriter();
        writer.Gauge("a", "Help.");
        writer.Sample(0.5, ("x", "a\"b\\c\nd"), ("y", "ü"));
        writer.Counter("b_total", "More.");
        writer.Sample(1L << 60);
        Assert.Equal("# HELP a Help.\n# TYPE a gauge\na{x=\"a\\\"b\\\\c\\nd\",y=\"ü\"} 0.5\n# HELP b_total More.\n# TYPE b_total counter\nb_total 1.152921504606847E+18\n", writer.ToString());
    }

    [Fact]
    public void A_state_has_a_series_for_each_word_and_one_of_them_is_1()
    {
        string text = Text(Statuses.Mail(Role.Primary, ConnectionState.Connecting, peerDisk: DiskState.DUnknown, outOfSync: 4096));

        Assert.Contains("\nblockrepl_resource_role{name=\"mail\",blockrepl_resource_role=\"Primary\"} 1\n", text, StringComparison.Ordinal);
        Assert.Contains("\nblockrepl_resource_role{name=\"mail\",blockrepl_resource_role=\"Secondary\"} 0\n", text, StringComparison.Ordinal);
        Assert.Contains("\nblockrepl_connection_state{name=\"mail\",conn_name=\"beta\",blockrepl_connection_state=\"Connecting\"} 1\n", text, StringComparison.Ordinal);
        Assert.Contains("\nblockrepl_peerdevice_outofsync_bytes{name=\"mail\",conn_name=\"beta\",volume=\"spool\"} 4096\n", text, StringComparison.Ordinal);
        foreach (string family in new[] { "resource_role", "connection_state", "device_state", "peerdevice_state", "peerdevice_replication_state" })
            Assert.Single(text.Split('\n'), line => line.StartsWith($"blockrepl_{family}{{", StringComparison.Ordinal) && line.EndsWith(" 1", StringComparison.Ordinal));
    }

    [Fact]
    public void A_family_is_there_also_when_nothing_is()
    {
        static IEnumerable<string> Families(string text) => text.Split('\n').Where(line => line.StartsWith("# TYPE", StringComparison.Ordinal));
        Assert.Equal(Families(Text(Statuses.Mail())), Families(Text()));
    }

    [Fact]
    public void Every_family_is_in_the_document()
    {
        string document = File.ReadAllText(Path.Combine(Here(), "../../../docs/monitoring.md"));
        var process = new MetricsWriter();
        ProcessMetrics.Write(process, "alpha");
        foreach (string line in (Text() + process).Split('\n').Where(line => line.StartsWith("# TYPE", StringComparison.Ordinal)))
            Assert.Contains($"`{line.Split(' ')[2]}`", document, StringComparison.Ordinal);
    }

    [Fact]
    public void However_often_it_is_asked_for_the_text_is_made_once_a_second()
    {
        var clock = new HandClock();
        int made = 0;
        var page = new MetricsPage("alpha", () => { made++; return [Statuses.Mail()]; }, clock);
        byte[] first = page.Text();
        for (int i = 0; i < 1000; i++)
            Assert.Same(first, page.Text());
        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.NotSame(first, page.Text());
        Assert.Equal(2, made);
    }

    [Fact]
    public async Task The_endpoint_answers_one_question_and_no_other()
    {
        await using MetricsServer server = await MetricsServer.StartAsync(
            new IPEndPoint(IPAddress.Loopback, 0), new MetricsPage("alpha", () => [Statuses.Mail()], TimeProvider.System), NullLoggerFactory.Instance, default);
        using var client = new HttpClient { BaseAddress = new Uri($"http://{server.Endpoint}") };

        using HttpResponseMessage answer = await client.GetAsync("/metrics");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(MediaTypeHeaderValue.Parse("text/plain; version=0.0.4; charset=utf-8"), answer.Content.Headers.ContentType);
        Assert.Contains("blockrepl_build_info{node=\"alpha\"", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        using HttpResponseMessage elsewhere = await client.GetAsync("/v1/status");
        Assert.Equal(HttpStatusCode.NotFound, elsewhere.StatusCode);
        using var change = new StringContent("{}");
        using HttpResponseMessage refused = await client.PostAsync("/metrics", change);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, refused.StatusCode);
    }

    [Fact]
    public async Task An_address_that_is_taken_costs_the_metrics_and_nothing_else()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        string address = other.LocalEndpoint.ToString()!;
        await using var listener = new MetricsListener("alpha", new MetricsPage("alpha", () => [], TimeProvider.System), NullLoggerFactory.Instance);
        await listener.StartAsync(With($"metrics: {{ listen: \"{address}\" }}"), default);
        Assert.Null(listener.Address);

        other.Stop();
        Assert.Equal(0, (await listener.MoveAsync(With($"metrics: {{ listen: \"{address}\" }}"))).ExitCode);
        Assert.Equal(address, listener.Address?.ToString());
    }

    [Fact]
    public async Task Adjust_turns_metrics_on_and_off_and_keeps_what_works()
    {
        await using TwoNodes nodes = await TwoNodes.InSyncAsync();
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        string taken = other.LocalEndpoint.ToString()!;
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        string address = free.LocalEndpoint.ToString()!;
        free.Stop();

        await nodes.EditAsync(text => $"metrics: {{ listen: \"{address}\" }}\n{text}");
        Assert.Equal($"metrics: off -> {address}", (await AdjustAsync(nodes)).Message);
        using var client = new HttpClient();
        Assert.Contains("blockrepl_resource_role", await client.GetStringAsync(new Uri($"http://{address}/metrics")), StringComparison.Ordinal);

        await nodes.EditAsync(text => text.Replace(address, taken, StringComparison.Ordinal));
        ControlResult refused = await AdjustAsync(nodes);
        Assert.Equal(ExitCodes.Failed, refused.ExitCode);
        Assert.Contains($"cannot serve metrics on {taken}", refused.Message, StringComparison.Ordinal);
        Assert.NotEmpty(await client.GetStringAsync(new Uri($"http://{address}/metrics")));

        await nodes.EditAsync(text => text.Replace($"metrics: {{ listen: \"{taken}\" }}", "metrics: off", StringComparison.Ordinal));
        Assert.Equal($"metrics: {address} -> off", (await AdjustAsync(nodes)).Message);
        await Assert.ThrowsAsync<HttpRequestException>(() => client.GetStringAsync(new Uri($"http://{address}/metrics")));
    }

    [Theory]
    [InlineData("", null)]
    [InlineData("metrics: off", null)]
    [InlineData("metrics: on", "127.0.0.1:9943")]
    [InlineData("metrics: { listen: \"[::1]:80\" }", "[::1]:80")]
    [InlineData("metrics: { listen: { alpha: \"127.0.0.1:1\", beta: \"127.0.0.1:2\" } }", "127.0.0.1:1")]
    public void The_key_says_where(string key, string? address) => Assert.Equal(address, With(key).MetricsOf("alpha")?.ToString());

    [Theory]
    [InlineData("metrics: sideways", "metrics: \"sideways\" is neither on nor off")]
    [InlineData("metrics: {}", "has no \"listen\"")]
    [InlineData("metrics: { listen: 9943 }", "is not HOST:PORT")]
    [InlineData("metrics: { port: 9943 }", "unknown key \"port\"")]
    public void A_wrong_key_is_refused(string key, string why) =>
        Assert.Contains(ConfigurationText.Parse($"{key}\n{ConfigurationText.Minimal}").Errors, error => error.ToString().Contains(why, StringComparison.Ordinal));

    [Fact]
    public void An_address_that_others_reach_is_warned_of() =>
        Assert.Contains(With("metrics: { listen: \"0.0.0.0:9943\" }").Warnings, warning => warning.Contains("not loopback", StringComparison.Ordinal));

    private static string Here([System.Runtime.CompilerServices.CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;

    private static ClusterConfiguration With(string key) => ConfigurationText.Accept($"{key}\n{ConfigurationText.Minimal}");

    private static async Task<ControlResult> AdjustAsync(TwoNodes nodes) =>
        await nodes.Alpha.ExecuteAsync(new ControlCommand(ControlVerb.Adjust, null, null, ControlOptions.None), default);

    private static string Text(params ResourceStatus[] resources)
    {
        var writer = new MetricsWriter();
        StatusMetrics.Write(writer, resources);
        return writer.ToString();
    }

    private sealed class HandClock : TimeProvider
    {
        private long _now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now;

        public void Advance(TimeSpan time) => _now += time.Ticks;
    }
}
