#!/bin/bash
# package.sh - the Debian package: built, installed, upgraded under a Primary that is in use, refused to go while it is, removed
# and purged. All in a mount and process namespace with overlays, so that the machine's own packages stay as they are; the
# service manager is a stub that keeps what it is asked and starts what the unit says.
# time-limit: 420 seconds
set -euo pipefail
repo=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
if [[ -z ${PACKAGE_DIRECTORY:-} && $EUID == 0 ]]; then
    PACKAGE_DIRECTORY=$(mktemp -d "${TMPDIR:-/tmp}/br-deb.XXXXXX")
    export PACKAGE_DIRECTORY
    trap 'rm -rf -- "$PACKAGE_DIRECTORY"' EXIT
    started=$SECONDS
    if ! "$repo/tools/package" --fast --version 0.1.0 --output "$PACKAGE_DIRECTORY" >"$PACKAGE_DIRECTORY/log" 2>&1; then
        echo "not ok - the package is built"
        tail -n 5 "$PACKAGE_DIRECTORY/log" | sed 's/^/#   /'
        exit 1
    fi
    echo "ok - the package is built"
    echo "# in $((SECONDS - started)) s, $(du -m "$PACKAGE_DIRECTORY"/*.deb | cut -f1) MB"
    rc=0
    unshare -m -p -f --mount-proc --propagation private --kill-child bash "${BASH_SOURCE[0]}" || rc=$?
    exit "$rc"
fi
# shellcheck source=tests/e2e/lib.sh
. "$repo/tests/e2e/lib.sh"
begin package
need_root
need jq perl dpkg dpkg-deb unshare setpriv systemd-analyze man
deb=$(echo "$PACKAGE_DIRECTORY"/*.deb)

# --- a machine of our own ------------------------------------------------------------------------------------------
over=$PACKAGE_DIRECTORY/over      # not in W: what is mounted cannot be removed before this name space ends
mkdir "$over"
mount -t tmpfs none "$over"
for directory in usr etc var; do
    mkdir -p "$over/$directory/upper" "$over/$directory/work"
    mount -t overlay -o "lowerdir=/$directory,upperdir=$over/$directory/upper,workdir=$over/$directory/work" none "/$directory"
done
mount -t tmpfs none /run
mkdir -p /run/systemd/system
rm -rf /etc/blockrepl /var/lib/blockrepl
calls=$W/systemctl.calls
: >"$calls"
cat >"$W/systemctl" <<END
#!/bin/bash
echo "\$*" >>"$calls"
pid=\$(cat "$W/daemon.pid" 2>/dev/null)
case \$1 in
    is-active) [[ -n \$pid ]] && kill -0 "\$pid" 2>/dev/null ;;
    start)
        set -a; . /etc/default/blockrepl; set +a
        : >"$W/notified"
        NOTIFY_SOCKET=$W/notify WATCHDOG_USEC=400000 setsid \$(sed -n 's/^ExecStart=//p' /lib/systemd/system/blockrepl.service) >>"$W/alpha/daemon.log" 2>&1 </dev/null &
        echo "\$!" >"$W/daemon.pid"
        for ((i = 0; i < 600; i++)); do grep -q READY=1 "$W/notified" && exit 0; sleep 0.05; done
        exit 1 ;;
    stop) [[ -z \$pid ]] || { kill -TERM "\$pid"; for ((i = 0; i < 600; i++)); do kill -0 "\$pid" 2>/dev/null || exit 0; sleep 0.05; done; exit 1; } ;;
    daemon-reload) ;;
    # Links of units: systemctl's own affair, and it needs nobody for it.
    *) SYSTEMD_OFFLINE=1 exec "$W/systemctl.real" "\$@" ;;
esac
END
cp /usr/bin/systemctl "$W/systemctl.real"
rm -f /usr/bin/systemctl
install -m 755 "$W/systemctl" /usr/bin/systemctl
"$python" - "$W/notify" "$W/notified" <<'PYTHON' &
import socket, sys
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(sys.argv[1])
while True:
    with open(sys.argv[2], "a") as log: log.write(manager.recv(4096).decode() + "\n")
PYTHON
disown "$!"
apt_like() { DEBIAN_FRONTEND=noninteractive dpkg --no-triggers --force-unsafe-io --force-confold "$@"; }
called() { grep -qE -- "$1" "$calls"; }
not_called() { ! called "$1"; }

# --- install -------------------------------------------------------------------------------------------------------
check "it installs" apt_like -i "$deb"
want "the command runs" blockrepl --version
want "for any user" setpriv --reuid 65534 --regid 65534 --clear-groups blockrepl --help
want "the service is enabled" test -L /etc/systemd/system/multi-user.target.wants/blockrepl.service
want "and not started without a configuration" not_called '^start'
want "the service manager reads its units anew" called '^daemon-reload'
mkdir -p "$W/units"
cp /lib/systemd/system/blockrepl*.service "$W/units"
want "systemd has nothing to say against the service" systemd-analyze verify --man=no "$W/units/blockrepl.service"
cp "$W/units/blockrepl-device@.service" "$W/units/blockrepl-device@mail-spool.service"
want "nor against a device" systemd-analyze verify --man=no "$W/units/blockrepl-device@mail-spool.service"
needrestart_leaves() { perl -e 'our %nrconf; defined(do shift) or die; for my $unit (@ARGV) { die $unit unless grep { $unit =~ /$_/ && $nrconf{override_rc}{$_} == 0 } keys %{$nrconf{override_rc}} }' /etc/needrestart/conf.d/blockrepl.conf "$@"; }
want "needrestart leaves the daemon and the devices alone" needrestart_leaves blockrepl.service blockrepl-device@mail-spool.service
want "and nothing else" bash -c "! { $(declare -f needrestart_leaves); needrestart_leaves blockreplica.service; }"
want "keys are root's alone" test "$(stat -c %a /etc/blockrepl)" = 750
want "the manual page formats" bash -c 'man -l /usr/share/man/man8/blockrepl.8.gz | grep -q "invalidate-remote"'
complete() {
    local found
    found=$(bash -c '. /usr/share/bash-completion/completions/blockrepl
        COMP_LINE=$1 COMP_POINT=${#1}; read -ra COMP_WORDS <<<"$1"; [[ $1 != *" " ]] || COMP_WORDS+=(""); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _blockrepl; printf "%s\n" "${COMPREPLY[@]}"' - "$1")
    grep -qx -- "$2" <<<"$found"
}
want "verbs are completed" complete "blockrepl prim" primary
want "and options" complete "blockrepl status --j" --json
for file in handlers/notify $(cd "$repo" && [[ ! -d tools/ocf ]] || echo blockrepl-fence-peer blockrepl.shellfuncs); do
    want "/usr/lib/blockrepl/$file is there" test -r "/usr/lib/blockrepl/$file"
done

for file in blockrepl blockrepl-device; do want "the cluster manager's agent $file is there" test -x "/usr/lib/ocf/resource.d/blockrepl/$file"; done

# --- a pair: alpha is the package, beta the build ------------------------------------------------------------------
mkdir -p "$W/alpha" "$W/beta" "$W/bin"
cluster 16MiB 'csums-after-crash-only: no' 'handlers: { disconnected: "touch '"$W"'/handler.ran" }'
sed -i 's/^#* *BLOCKREPL_NODE=.*/BLOCKREPL_NODE=alpha/' /etc/default/blockrepl
cp "$W/alpha/blockrepl.yaml" /etc/blockrepl/blockrepl.yaml
rmdir "$W/alpha/run"
ln -s /run/blockrepl "$W/alpha/run"
check "alpha: create-md" env BLOCKREPL_NODE=alpha blockrepl create-md r0
check "the service starts and says that it is ready" systemctl start blockrepl
pid=$(<"$W/daemon.pid")
want "and again and again that it is alive" await 20 grep -q WATCHDOG=1 "$W/notified"
want "names are completed" complete "blockrepl status r" r0
check "beta: create-md" br beta create-md r0
check "beta's daemon starts" node_up beta
check "they connect" br alpha wait-connect r0 --timeout 30s
check "alpha becomes Primary by force" br alpha primary r0 --force
check "and in sync" br alpha wait-sync r0 --timeout 60s
nbdsh -u "$(uri alpha)" -c 'h.pwrite(b"1" * 65536, 0, nbd.CMD_FLAG_FUA)'

# --- upgrade: every file of the new version's program is rubbish, so whatever the daemon took from it would show ------
mkdir "$W/next"
dpkg-deb -R "$deb" "$W/next"
sed -i 's/^Version: .*/Version: 0.2.0/' "$W/next/DEBIAN/control"
find "$W/next/usr/lib/blockrepl/program" -type f -exec sh -c 'for f; do echo rubbish >"$f"; done' - {} +
rm "$W/next/DEBIAN/md5sums"
dpkg-deb --root-owner-group -Zgzip -z1 --build "$W/next" "$W/next.deb" >/dev/null
rm -rf "$W/next"
: >"$calls"
check "it is upgraded under a Primary" apt_like -i "$W/next.deb"
want "without a start, a stop or a restart" not_called '^(re)?(start|stop)'
want "by the same daemon" test "$(br alpha role r0)" = Primary -a -d "/proc/$pid"
want "the configuration stays the operator's" grep -q '^BLOCKREPL_NODE=alpha' /etc/default/blockrepl

# What a daemon does for the first time only now: verify, SHA-256, a handler, a handshake with TLS, a listener on TCP.
check "verify compares" br alpha verify r0
verified() { br alpha status r0 --json | jq -e '.[0].connections[0].volumes[0].verify.state == "done"'; }
want "to its end" await 60 verified
check "beta goes" node_down beta
want "the handler is run" await 20 test -e "$W/handler.ran"
nbdsh -u "$(uri alpha)" -c 'h.pwrite(b"2" * 4194304, 0, nbd.CMD_FLAG_FUA)'
check "beta comes back" node_up beta
check "over TLS, and is resynced" br alpha wait-sync r0 --timeout 60s
read -r port < <(free_ports 1)
sed -i "1i metrics: { listen: \"127.0.0.1:$port\" }" /etc/blockrepl/blockrepl.yaml
want "adjust reads the new configuration and serves metrics" br alpha adjust all
want "which are read" bash -c "exec 3<>/dev/tcp/127.0.0.1/$port; printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3; grep -q blockrepl_resource_role <&3"
# A split brain is saved, a role is changed: whatever of the program is left.
check "alpha hands over" br alpha secondary r0
check "to beta" promote beta 30
check "and takes back" br beta secondary r0
check "the role" promote alpha 30
want "the daemon has nothing of the new version in it" bash -c "! grep ' /usr/lib/blockrepl/program/' /proc/$pid/maps | grep -v '(deleted)'"

# --- remove ---------------------------------------------------------------------------------------------------------
check "the version that works is put back" apt_like --force-downgrade -i "$deb"
: >"$calls"
refuses 1 'this node is Primary' "a Primary's package is not removed" apt_like -r blockrepl
want "and its daemon is not stopped" not_called '^stop'
want "it serves still" nbdsh -u "$(uri alpha)" -c 'assert h.pread(1, 0) == b"2"'
check "alpha hands over" br alpha secondary r0
check "to beta" promote beta 30
check "now it is removed" apt_like -r blockrepl
want "the service was stopped" called '^stop blockrepl'
want "and ended in good order" gone "$pid"
want "nothing of the program is left" test ! -e /usr/lib/blockrepl/program -a ! -e /usr/bin/blockrepl
want "what the operator wrote is" test -e /etc/blockrepl/blockrepl.yaml
want "beta serves" nbdsh -u "$(uri beta)" -c 'assert h.pread(1, 0) == b"2"'
check "it is purged" apt_like -P blockrepl
want "the package's own configuration is gone" test ! -e /etc/default/blockrepl
want "the operator's is kept" test -e /etc/blockrepl/blockrepl.yaml
want "and nothing else is left on the machine" bash -c "! find /etc/systemd -xdev -newer '$calls' -name '*blockrepl*' -print | grep ."
finish
