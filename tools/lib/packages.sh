# shellcheck shell=bash
# packages.sh - which Debian packages BlockRepl needs for what, and how they get onto this machine. Sourced, never run.
#
#   packages_for PURPOSE...     prints the packages of the purposes build, run, test; one a line
#   packages_require PURPOSE... installs what is missing (as root, on Debian); otherwise names it and exits with 2
#   dotnet_require              exits with 2 and one sentence if the SDK that global.json asks for is not there

packages_repo=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)

packages_for() {
    local purpose
    for purpose in "$@"; do
        case $purpose in
            # The native library: compiler, io_uring.
            build) printf '%s\n' gcc libc6-dev cmake make liburing-dev ;;
            # What the daemon loads at run time.
            run) printf '%s\n' liblz4-1 liburing2 ;;
            # What the unit and end-to-end tests talk to. util-linux has setpriv and setsid, mount has losetup,
            # postgresql-client-15 has pg_amcheck, libnbd-bin has nbdinfo, nbdcopy and nbdfuse. openipmi has ipmi_sim, libxml2-utils has xmllint for ocf-tester.
            test) printf '%s\n' bash coreutils diffutils util-linux mount procps jq python3 openssl shellcheck \
                fio libnbd-bin nbdkit python3-libnbd qemu-utils strace socat \
                python3-grpcio python3-protobuf curl perl libssl3 prometheus \
                pacemaker-cli-utils csync2 lsyncd rsync systemd man-db bash-completion \
                fuse3 libfuse3-dev pkg-config e2fsprogs xfsprogs postgresql-15 postgresql-client-15 \
                user-mode-linux nbd-client iproute2 kmod busybox-static \
                pacemaker corosync crmsh resource-agents fence-agents openipmi ipmitool libxml2-utils \
                cyrus-imapd cyrus-admin cyrus-clients ;;
            *) printf 'packages_for: no purpose "%s"\n' "$purpose" >&2; return 2 ;;
        esac
    done
}

# packages_missing PURPOSE... - those of the purposes that dpkg does not list as installed.
packages_missing() {
    local wanted installed
    mapfile -t wanted < <(packages_for "$@" | sort -u)
    # dpkg-query ends with 1 as soon as one name is unknown to it; that is an answer here, not an error.
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null |
        awk '$1 == "installed" { print $2 }' | sort -u) || true
    comm -23 <(printf '%s\n' "${wanted[@]}") <(printf '%s\n' "$installed")
}

packages_require() {
    local missing
    if ! command -v dpkg-query >/dev/null; then
        printf 'This is not a Debian system. BlockRepl needs what Debian calls: %s\n' \
            "$(packages_for "$@" | sort -u | tr '\n' ' ')" >&2
        return 0    # A person who has put the tools there by other means goes on; each step says what it lacks.
    fi
    mapfile -t missing < <(packages_missing "$@")
    ((${#missing[@]})) || return 0
    if ((EUID != 0)); then
        printf 'Debian packages are missing. As root, run:\n    apt-get install --no-install-recommends %s\n' "${missing[*]}" >&2
        exit 2
    fi
    printf 'installing %s\n' "${missing[*]}"
    # A machine that has a Debian package cache which is out of date refuses to download, hence the one update.
    if ! { apt-get update -q && DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "${missing[@]}"; } >"${PACKAGES_LOG:-/dev/stderr}" 2>&1 </dev/null; then
        printf 'apt-get could not install: %s%s\n' "${missing[*]}" "${PACKAGES_LOG:+ (see $PACKAGES_LOG)}" >&2
        exit 2
    fi
}

dotnet_require() {
    local wanted found
    wanted=$(sed -n 's/.*"version": *"\([^"]*\)".*/\1/p' "$packages_repo/global.json")
    # Run in the repository: dotnet itself applies global.json there, roll-forward included.
    if found=$(cd "$packages_repo" && dotnet --version 2>/dev/null); then return 0; fi
    if command -v dotnet >/dev/null; then
        found="$(cd / && dotnet --list-sdks | awk '{ print $1 }' | tr '\n' ' ')"
        found="has only: ${found:-no SDK at all}"
    else
        found="has no 'dotnet' on its PATH"
    fi
    printf 'BlockRepl needs the .NET SDK %s or a later .NET %s SDK and this machine %s; %s\n' "$wanted" "${wanted%%.*}" "$found" \
        "Debian 12 has no package of it, so install it from https://dot.net/download and put it on PATH." >&2
    exit 2
}
