# shellcheck shell=bash disable=SC2154
# database.sh - PostgreSQL on a replicated volume behind the cluster's floating address, and a client that knows what was acknowledged. Sourced after cluster.sh.

postgres=/usr/lib/postgresql/15/bin

# database_image - the volume "data" as an administrator would have filled it before: a file system with a database, the same bytes on both nodes. The end is left for the metadata.
database_image() {
    local image=$W/data.img
    truncate -s 600M "$image"
    mkfs.ext4 -qF -E lazy_itable_init=0,lazy_journal_init=0 "$image" 560M || return 1
    mkdir -p "$W/fill"
    mount -o loop "$image" "$W/fill" || return 1
    at_exit "umount -l $W/fill"
    install -d -o postgres -m 700 "$W/fill/data"
    (cd / && setpriv --reuid=postgres --regid=postgres --init-groups "$postgres/initdb" -k -U postgres -A trust -D "$W/fill/data" >"$W/initdb.log" 2>&1) || return 1
    {
        echo "listen_addresses = '*'"
        echo "unix_socket_directories = '/run/pg'"
        echo "shared_buffers = 16MB"
        echo "max_wal_size = 64MB"
        echo "checkpoint_timeout = 30s"
    } >>"$W/fill/data/postgresql.conf"
    echo 'host all all 10.77.0.0/24 trust' >>"$W/fill/data/pg_hba.conf"
    umount "$W/fill"
    cp --sparse=always "$image" "$W/alpha/data.img"
    cp --sparse=always "$image" "$W/beta/data.img"
    rm "$image"
    # Run on each node when it boots.
    echo 'mkdir -p /run/pg /srv/data && chown postgres /run/pg' >"$W/node-hook"
}

# database_primitives - all that follows the Primary: device, file system, database, address.
database_primitives() {
    cat <<CRM
primitive device ocf:blockrepl:blockrepl-device params resource=$resource volume=data via=fuse link=/run/devices/data blockrepl="$W/device-command" op monitor interval=5s timeout=30s op start interval=0 timeout=40s op stop interval=0 timeout=40s
primitive fs ocf:heartbeat:Filesystem params device=/run/devices/data directory=/srv/data fstype=ext4 force_unmount=safe \
 op monitor interval=10s timeout=30s op start interval=0 timeout=60s op stop interval=0 timeout=40s
primitive pg ocf:heartbeat:pgsql params pgdata=/srv/data/data pgctl=$postgres/pg_ctl psql=$postgres/psql socketdir=/run/pg logfile=/var/log/pg.log \
 op monitor interval=5s timeout=30s op start interval=0 timeout=60s op stop interval=0 timeout=60s
primitive address ocf:heartbeat:IPaddr2 params ip=$floating cidr_netmask=24 nic=public arp_count=2 arp_interval=50 op monitor interval=5s
group service device fs pg address
colocation service-with-primary inf: service volumes-clone:Promoted
order promote-first Mandatory: volumes-clone:promote service:start
CRM
}

sql() { PGCONNECT_TIMEOUT=2 timeout 5 "$postgres/psql" -qAtX -v ON_ERROR_STOP=1 -h "$floating" -U postgres -d postgres -c "$1"; }

# writer - inserts 1, 2, 3, ... and writes a number down, with the time, once its commit was acknowledged. A new session each, as after a lost connection.
writer() {
    set +eE
    trap - EXIT INT TERM HUP ERR
    local n=0
    while :; do
        n=$((n + 1))
        if sql "insert into acknowledged values ($n)" >/dev/null 2>&1; then echo "$n $EPOCHREALTIME" >>"$W/acknowledged"; fi
        sleep 0.1
    done
}
writer_start() {
    : >"$W/acknowledged"
    sql 'create table acknowledged (n int primary key)'
    writer &
    disown "$!"
    at_exit "kill -9 $!"
}

# acknowledged_after TIME - a commit has been acknowledged that was certainly asked for after that moment: the second one after it.
acknowledged_after() { (($(awk -v t="$1" '$2 > t' "$W/acknowledged" | wc -l) >= 2)); }

# outage TIME - the longest pause between two acknowledgements, from a second before TIME on.
outage() {
    awk -v t="$1" '{ if ($2 > t - 1 && last && $2 - last > longest) longest = $2 - last; last = $2 } END { printf "%.1f", longest }' "$W/acknowledged"
}

# resumed TIME - how long after TIME the first commit was acknowledged.
resumed() { awk -v t="$1" '$2 > t { printf "%.1f", $2 - t; exit }' "$W/acknowledged"; }

# nothing_missing - every acknowledged commit is in the database.
nothing_missing() {
    local missing
    cut -d' ' -f1 "$W/acknowledged" | sort >"$W/want"
    sql 'select n from acknowledged' | sort >"$W/have" || return 1
    missing=$(comm -23 "$W/want" "$W/have")
    [[ -z $missing ]] || { echo "missing of $(wc -l <"$W/want"):" "$missing"; return 1; }
}
