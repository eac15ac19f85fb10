#!/bin/bash
# postgres-failover - a database on a replicated volume survives kill -9 of its primary with every acknowledged commit
# (G1, G2, G3, G4, G5). PostgreSQL 15 on ext4 on a loop device on nbdfuse on alpha's export; protocol C, mutual TLS; the
# kill comes in the middle of a write load; beta is promoted and serves the database; alpha comes back and catches up.
# time-limit: 300 seconds
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$(readlink -f -- "$0")")/lib.sh"
begin postgres
need_root
postgres=/usr/lib/postgresql/15/bin
need nbdfuse fusermount3 losetup mkfs.ext4 e2fsck setpriv jq "$postgres/postgres" "$postgres/pg_amcheck"

commits_before_kill=400
read -r pg_port < <(free_ports 1)
mkdir "$W/pg" "$W/mount"
chown postgres "$W/pg"

# as_postgres COMMAND... - a client's or server's program, as the user that owns the database.
as_postgres() {
    (cd "$W/pg" && exec setpriv --reuid=postgres --regid=postgres --init-groups \
        env HOME="$W/pg" PGHOST="$W/pg" PGPORT="$pg_port" PGUSER=postgres PGDATABASE=postgres \
        stdbuf -oL "$@")
}
sql() { as_postgres "$postgres/psql" -qAtX -v ON_ERROR_STOP=1 -c "$1"; }

database_start() {
    as_postgres "$postgres/pg_ctl" -s -w -t 90 -D "$W/mount/data" -l "$W/pg/server.log" \
        -o "-p $pg_port -k $W/pg -c listen_addresses='' -c shared_buffers=32MB -c checkpoint_timeout=30s" start ||
        { tail -n 12 "$W/pg/server.log"; return 1; }
    postmaster=$(head -n 1 "$W/mount/data/postmaster.pid")
    at_exit "kill -9 $postmaster"
}
database_stop() { as_postgres "$postgres/pg_ctl" -s -w -t 60 -D "$W/mount/data" -m fast stop; }

# The machine dies: no process of the database may outlive it, or it would hold the dead mount.
database_dies() {
    local backends
    kill -STOP "$postmaster" || true     # or it would fork another one meanwhile
    backends=$(pgrep -P "$postmaster") || true
    # shellcheck disable=SC2086
    kill -KILL "$postmaster" $backends 2>/dev/null || true
    await 30 gone "$postmaster" || return 1
    local pid
    for pid in $backends; do await 30 gone "$pid" || return 1; done
}

# A client with one session: inserts 1, 2, 3, ... each in its own transaction, and writes a number down only once the
# server has acknowledged its commit. It ends by itself with the first error.
recorder() {
    { local n=0; while n=$((n + 1)); do printf 'insert into acknowledged values (%d);\n\\echo %d\n' "$n" "$n" || exit 0; done; } 2>/dev/null |
        as_postgres "$postgres/psql" -qAtX -v ON_ERROR_STOP=1 >"$W/acknowledged" 2>"$W/recorder.log"
}
recorded() { (($(wc -l <"$W/acknowledged") >= $1)); }
pgbench_busy() { (($(sql 'select count(*) from pgbench_history') >= $1)); }

# --- two nodes, one database ---------------------------------------------------------------------------------------

both_up 1GiB
refuses 11 'primary' "beta does not become Primary beside a Primary" br beta primary "$resource"
check "alpha's export is a block device" attach alpha "$(uri alpha)"
check "mkfs.ext4" mkfs.ext4 -qF -E lazy_itable_init=0,lazy_journal_init=0 "${loop[alpha]}"
check "mount" mount "${loop[alpha]}" "$W/mount"
at_exit "umount -l '$W/mount'"
install -d -o postgres -m 700 "$W/mount/data"
check "initdb" as_postgres "$postgres/initdb" -k -U postgres -A trust -D "$W/mount/data"
check "PostgreSQL starts" database_start
check "pgbench fills its tables" as_postgres "$postgres/pgbench" -q -i -s 3
sql 'create table acknowledged (n int primary key)'
sql 'create extension amcheck'

# --- load, and the kill --------------------------------------------------------------------------------------------

as_postgres "$postgres/pgbench" -n -c 3 -T 200 >"$W/pgbench.log" 2>&1 &
bench=$!
at_exit "kill $bench"
: >"$W/acknowledged"
recorder &
recording=$!
at_exit "kill $recording"
check "the load runs ($commits_before_kill recorded commits and pgbench)" await 90 recorded "$commits_before_kill"
check "pgbench writes beside it" pgbench_busy 50
check "kill -9 of alpha's daemon under load" node_kill alpha
check "the client notices and stops" await 60 gone "$recording"
check "everything else on the dead node is gone: database" database_dies
wait "$bench" "$recording" 2>/dev/null || true
umount "$W/mount" 2>/dev/null || umount -l "$W/mount"
check "everything else on the dead node is gone: mount, loop device, nbdfuse" detach_dead alpha
last=$(tail -n 1 "$W/acknowledged")
note "acknowledged commits: $last; in pgbench: $(grep -oE 'transactions actually processed: [0-9]+' "$W/pgbench.log" || echo 'cut off')"

# --- beta takes over -----------------------------------------------------------------------------------------------

check "beta is promoted" promote beta 30
check "beta's role is Primary" test "$(br beta role "$resource")" = Primary
check "beta's export is a block device" attach beta "$(uri beta)"
check "mount replays the journal" mount "${loop[beta]}" "$W/mount"
umount "$W/mount"
check "e2fsck finds nothing (G4)" e2fsck -fn "${loop[beta]}"
check "mount" mount "${loop[beta]}" "$W/mount"
# On another host neither would be there: the dead server's process number, and the lock beside its socket.
rm -f "$W/mount/data/postmaster.pid" "$W/pg/.s.PGSQL."*
check "the database recovers" database_start
check "no acknowledged commit of $last is missing (G2)" \
    test "$(sql "select count(*) from acknowledged where n <= $last")" = "$last"
check "pgbench's balances agree (G4)" test t = "$(sql 'select
    (select sum(abalance) from pgbench_accounts) = (select sum(bbalance) from pgbench_branches) and
    (select sum(tbalance) from pgbench_tellers) = (select sum(delta) from pgbench_history)')"
check "pg_amcheck finds nothing" as_postgres "$postgres/pg_amcheck" --heapallindexed --install-missing postgres

# --- alpha comes back ----------------------------------------------------------------------------------------------

as_postgres "$postgres/pgbench" -n -c 2 -t 200 >"$W/pgbench2.log" 2>&1 &
bench=$!
check "alpha's daemon starts again" node_up alpha
check "alpha is Secondary" test "$(br alpha role "$resource")" = Secondary
check "alpha catches up while beta's database works" br beta wait-sync "$resource" --timeout 120s
check "the work during the resync succeeds (G9)" wait "$bench"
check "the database stops" database_stop
check "pg_checksums finds nothing" as_postgres "$postgres/pg_checksums" -c -D "$W/mount/data"
umount "$W/mount"
check "beta's export is let go" detach beta
check "beta becomes Secondary" br beta secondary "$resource"
stop_and_compare
finish
