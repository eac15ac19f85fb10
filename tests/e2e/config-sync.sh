#!/bin/bash
# config-sync.sh - the ready configurations of csync2 and lsyncd (tools/sync) keep files equal between two hosts: network, mount
# and host name spaces of their own, joined by a bridge. csync2 both ways, lsyncd from the active node.
# time-limit: 120 seconds
set -euo pipefail
repo=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
if [[ -z ${CONFIG_SYNC_INNER:-} && $EUID == 0 ]]; then
    CONFIG_SYNC_INNER=1 exec unshare -m -n -p -f --mount-proc --propagation private --kill-child bash "${BASH_SOURCE[0]}"
fi
# shellcheck source=tests/e2e/lib.sh
. "$repo/tests/e2e/lib.sh"
begin config-sync
need_root
need csync2 lsyncd rsync ip nsenter socat
chmod 755 "$W"

ip link set lo up
ip link add br0 type bridge
ip link set br0 up
check "a shared key is made" csync2 -k "$W/key"

# What runs as the first process of a host.
cat >"$W/host" <<'END'
#!/bin/bash
set -e
name=$1 number=$2 W=$3 repo=$4
hostname "$name"
ip link set lo up
for ((i = 0; i < 500; i++)); do ip link show eth0 >/dev/null 2>&1 && break; sleep 0.02; done
ip addr add "10.78.0.$number/24" dev eth0
ip link set eth0 up
mkdir -p "$W/$name/over"
mount -t tmpfs none "$W/$name/over"
for directory in etc usr var; do
    mkdir -p "$W/$name/over/$directory/upper" "$W/$name/over/$directory/work"
    mount -t overlay -o "lowerdir=/$directory,upperdir=$W/$name/over/$directory/upper,workdir=$W/$name/over/$directory/work" none "/$directory"
done
mount -t tmpfs none /run
rm -rf /etc/blockrepl /etc/bm /var/lib/csync2
mkdir -p /etc/blockrepl/tls /etc/bm /var/lib/csync2 /var/log/lsyncd /var/backups
cp "$repo/tools/sync/csync2.cfg" /etc/csync2.cfg
install -m 600 "$W/key" /etc/csync2.key
printf '127.0.0.1 localhost\n10.78.0.1 alpha\n10.78.0.2 beta\n' >/etc/hosts
# Stands for the program: keeps what it is asked.
printf '#!/bin/sh\necho "$0 $*" >>%s/%s/blockrepl.calls\n' "$W" "$name" >/usr/bin/blockrepl
chmod 755 /usr/bin/blockrepl
touch "$W/$name/ready"
exec csync2 -ii -v -N "$name"
END
declare -A inside=()
host() {
    local name=$1 number=$2 outer
    mkdir -p "$W/$name"
    setsid unshare -m -n -u -i -p -f --mount-proc --propagation private --kill-child bash "$W/host" "$name" "$number" "$W" "$repo" >"$W/$name/daemon.log" 2>&1 </dev/null &
    outer=$!
    disown "$outer"
    await 20 grep -q . "/proc/$outer/task/$outer/children" || return 1
    inside[$name]=$(tr -d ' ' <"/proc/$outer/task/$outer/children")
    at_exit "kill -9 ${inside[$name]}"
    ip link add "v$number" type veth peer name eth0 netns "${inside[$name]}"
    ip link set "v$number" master br0 up
    await 30 test -e "$W/$name/ready"
}
on() { local name=$1; shift; nsenter -t "${inside[$name]}" -m -n -u -i -p -- "$@"; }
file_is() { [[ $(on "$1" cat "$2") == "$3" ]]; }
# write NODE FILE TEXT - as an editor does: a new file, then the name.
# shellcheck disable=SC2016
write() { on "$1" bash -c 'echo "$2" >"$1.new" && mv "$1.new" "$1"' - "$2" "$3"; }
check "host alpha" host alpha 1
check "host beta" host beta 2
listens() { on "$1" bash -c "exec 3<>/dev/tcp/$1/30865"; }
check "csync2 listens on alpha" await 20 listens alpha
check "csync2 listens on beta" await 20 listens beta

# --- csync2 ----------------------------------------------------------------------------------------------------------
write alpha /etc/blockrepl/blockrepl.yaml one
write alpha /etc/blockrepl/tls/alpha.pem certificate
write alpha /etc/blockrepl/tls/alpha.key secret
write alpha /etc/bm/bm.ini bluemind
check "csync2 pushes from alpha" on alpha csync2 -xv
want "the configuration is on beta" file_is beta /etc/blockrepl/blockrepl.yaml one
want "certificates, too" file_is beta /etc/blockrepl/tls/alpha.pem certificate
want "keys are not" on beta test ! -e /etc/blockrepl/tls/alpha.key
want "BlueMind's files are" file_is beta /etc/bm/bm.ini bluemind
want "beta says what adjust would do, and does not do it" await 20 grep -qx '/usr/bin/blockrepl adjust all --dry-run' "$W/beta/blockrepl.calls"
write beta /etc/blockrepl/blockrepl.yaml two
on beta touch -d '+2 seconds' /etc/blockrepl/blockrepl.yaml
check "csync2 pushes from beta" on beta csync2 -xv
want "a change goes the other way as well" file_is alpha /etc/blockrepl/blockrepl.yaml two
on alpha rm /etc/bm/bm.ini
check "csync2 pushes a removal" on alpha csync2 -xv
want "what was removed is gone there" on beta test ! -e /etc/bm/bm.ini
want "and kept among the backups" on beta bash -c 'find /var/backups/csync2 -name "*bm.ini*" | grep -q .'
# It answers 2 where it has nothing to tell.
equal() { local rc=0; on alpha csync2 -T || rc=$?; ((rc == 2)); }
want "both are equal" equal

# --- lsyncd ----------------------------------------------------------------------------------------------------------
# In the place of ssh and its server: a line with the command, then its input and output, over the network of the two.
cat >"$W/rsh" <<END
#!$python
import os, select, socket, sys
peer = socket.create_connection((sys.argv[1], 2222))
peer.sendall((" ".join(sys.argv[2:]) + "\\n").encode())
open_ends = [0, peer]
while peer in open_ends:
    for end in select.select(open_ends, [], [])[0]:
        data = os.read(0, 65536) if end == 0 else peer.recv(65536)
        if not data:
            open_ends.remove(end)
            if end == 0: peer.shutdown(socket.SHUT_WR)
        elif end == 0: peer.sendall(data)
        else: os.write(1, data)
END
# shellcheck disable=SC2016
printf '#!/bin/bash\nread -r command\nexec bash -c "$command"\n' >"$W/rshd"
chmod 755 "$W/rsh" "$W/rshd"
nsenter -t "${inside[beta]}" -m -n -u -i -p -- setsid socat TCP-LISTEN:2222,fork,reuseaddr "EXEC:$W/rshd" >"$W/rshd.log" 2>&1 </dev/null &
disown "$!"
cp "$repo/tools/sync/lsyncd.conf.lua" "$W/lsyncd.conf.lua"
nsenter -t "${inside[alpha]}" -m -n -u -i -p -- env BLOCKREPL_PEER=beta BLOCKREPL_SYNC_RSH="$W/rsh" setsid lsyncd "$W/lsyncd.conf.lua" >"$W/lsyncd.log" 2>&1 </dev/null &
disown "$!"
write beta /etc/bm/only-here kept
write alpha /etc/bm/bm.ini first
want "lsyncd copies what is there" await 15 file_is beta /etc/bm/bm.ini first
write alpha /etc/bm/bm.ini second
want "and what changes" await 15 file_is beta /etc/bm/bm.ini second
write alpha /etc/blockrepl/blockrepl.yaml three
want "of every directory" await 15 file_is beta /etc/blockrepl/blockrepl.yaml three
on alpha rm /etc/bm/bm.ini
gone_there() { on beta test ! -e /etc/bm/bm.ini; }
want "and what is removed" await 15 gone_there
want "what only the other side has stays" file_is beta /etc/bm/only-here kept
want "keys are not copied" on beta test ! -e /etc/blockrepl/tls/alpha.key
finish
