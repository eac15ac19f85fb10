using System.Buffers;
using System.Text;
using BlockRepl.Daemon.Control;
using BlockRepl.Primitives;

namespace BlockRepl.Daemon.Tests.Control;

public sealed class EventHubTests
{
    private static string Line(StatusEvent one)
    {
        var buffer = new ArrayBufferWriter<byte>();
        StatusEventJson.WriteLine(buffer, one);
        return Encoding.UTF8.GetString(buffer.WrittenSpan).TrimEnd('\n');
    }

    private static List<string> Drain(EventSubscription subscription)
    {
        List<string> lines = [];
        while (subscription.Changes.TryRead(out var one))
            lines.Add(Line(one));
        return lines;
    }

    [Fact]
    public void A_subscription_begins_with_everything_that_exists()
    {
        using var subscription = new FakeTarget(Statuses.Mail()).Events.Subscribe();

        Assert.Equal(
        [
            """{"event":"exists","object":"resource","name":"mail","role":"Secondary","suspended":"no","may_promote":"yes","promotion_score":10102}""",
            """{"event":"exists","object":"connection","name":"mail","conn_name":"beta","connection":"Connected","role":"Primary"}""",
            """{"event":"exists","object":"device","name":"mail","volume":"spool","disk":"UpToDate","size":1048576}""",
            """{"event":"exists","object":"peer-device","name":"mail","conn_name":"beta","volume":"spool","replication":"Established","peer_disk":"UpToDate","out_of_sync":0}""",
            """{"event":"exists","object":"-"}""",
        ], subscription.Dump.Select(Line));
    }

    [Fact]
    public void A_change_says_only_what_changed()
    {
        var target = new FakeTarget(Statuses.Mail());
        using var subscription = target.Events.Subscribe();

        target.Set(Statuses.Mail(Role.Primary));
        target.Set(Statuses.Mail(Role.Primary));
        target.Set(Statuses.Mail(Role.Primary, ConnectionState.Connecting, ReplicationState.Off, peerDisk: DiskState.DUnknown, outOfSync: 4096));

        Assert.Equal(
        [
            """{"event":"change","object":"resource","name":"mail","role":"Primary"}""",
            """{"event":"change","object":"resource","name":"mail","promotion_score":10101}""",
            """{"event":"change","object":"connection","name":"mail","conn_name":"beta","connection":"Connecting","role":"Unknown"}""",
            """{"event":"change","object":"peer-device","name":"mail","conn_name":"beta","volume":"spool","replication":"Off","peer_disk":"DUnknown","out_of_sync":4096}""",
        ], Drain(subscription));
    }

    [Fact]
    public void A_new_resource_is_created_and_a_removed_one_destroyed_from_the_inside()
    {
        var hub = new EventHub();
        using var subscription = hub.Subscribe();
        hub.Publish(Statuses.Mail());
        hub.Remove("mail");
        hub.Remove("mail");

        List<string> kinds = [];
        while (subscription.Changes.TryRead(out var one))
            kinds.Add($"{one.Kind} {one.ObjectType}");
        Assert.Equal(
            ["create resource", "create connection", "create device", "create peer-device",
             "destroy peer-device", "destroy device", "destroy connection", "destroy resource"], kinds);
    }

    [Fact]
    public async Task A_slow_subscriber_is_cut_and_the_others_go_on_G12()
    {
        var hub = new EventHub(queueLength: 2);
        hub.Publish(Statuses.Mail());
        using var slow = hub.Subscribe();
        using var quick = hub.Subscribe();
        foreach (var role in new[] { Role.Primary, Role.Secondary, Role.Primary, Role.Secondary })
        {
            hub.Publish(Statuses.Mail(role));
            Assert.Single(Drain(quick));
        }

        Assert.True(slow.WasCut);
        Assert.Equal(2, Drain(slow).Count);
        await slow.Changes.Completion;
        Assert.False(quick.WasCut);
    }

    [Fact]
    public void A_waiter_taken_before_the_look_sees_a_change_after_it()
    {
        var hub = new EventHub();
        var change = hub.NextChangeAsync();
        Assert.False(change.IsCompleted);
        hub.Publish(Statuses.Mail());
        Assert.True(change.IsCompletedSuccessfully);
        Assert.False(hub.NextChangeAsync().IsCompleted);
    }

    /// <summary>DRBD's formula (drbdsetup_events2.c): disks, then UpToDate volumes here, then the fewest UpToDate replicas.</summary>
    [Fact]
    public void The_promotion_score_is_DRBDs()
    {
        ResourceStatus both = Statuses.Mail();
        Assert.Equal(10_102, both.PromotionScore);
        Assert.Equal(10_101, Statuses.Mail(peerDisk: DiskState.DUnknown, connection: ConnectionState.Connecting).PromotionScore);
        Assert.Equal(10_001, Statuses.Mail(disk: DiskState.Inconsistent).PromotionScore);
        Assert.Equal(1, Statuses.Mail(disk: DiskState.Diskless).PromotionScore);
        Assert.Equal(0, Statuses.Mail(disk: DiskState.Outdated, peerDisk: DiskState.Outdated).PromotionScore);
        Assert.Equal(0, (both with { Suspended = ["no-data"] }).PromotionScore);
        VolumeStatus[] two = [both.Volumes[0], new VolumeStatus { Name = "more", DiskState = DiskState.UpToDate }];
        Assert.Equal(10_201, (both with { Volumes = two }).PromotionScore);
    }
}
