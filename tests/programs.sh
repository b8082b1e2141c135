#!/usr/bin/env bash
# Real servers behind each engine, each on the unprivileged port that its own manual's settings give it:
#
#   tests/programs.sh [--engines "redirect auto tc xdp sklookup"] [PROGRAM...]     default: all of tests/programs/
#
# Prints docs/programs.md's table: for each program and engine, whether clients elsewhere and on the host itself get the
# right answer on the listen port, over IPv4 and IPv6. "not: out4": clients elsewhere ("own": on the host) over IPv4 did not.
# The engine "redirect" is nft's redirect, for comparison.
#
# Each program is installed in a root of its own, an overlay of this machine's on a tmpfs, with no service started; server
# and clients run in network namespaces that go with it. The server has no CAP_NET_BIND_SERVICE. A description sets
#
#   packages=(…)            the server's, and its client's
#   rule=80:3000[/tcp|/udp] as for bpfport attach
#   serve                   runs the server in the foreground, on the target port of all addresses
#   ask HOST PORT           asks it once; HOST is an address, $url_host the same for a URL; prints what it got
#   expected='…'            a regular expression for that
#   options=(…)             of attach, besides the rule
#   up HOST PORT            whether it listens on the target port; by default whether ask gets the right answer there
#
# or takes some of these from tests/programs/common/.
#
# Exit status: 0, every cell is "ok"; 1, not; 77, can't be run here. Logs in build/programs/.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
bpfport=${BPFPORT:-$PWD/build/release/user/bpfport}
engines=(redirect auto tc xdp sklookup)
v4=192.0.2.1 v6=2001:db8::1

# shellcheck disable=SC2154 # $rule, $packages, $expected: of the program's description
if [[ ${1:-} == --inside ]]; then # in the mount namespace of one program
    name=$2
    read -ra engines <<<"$4"
    options=()
    # shellcheck source=/dev/null
    . "tests/programs/$name.bash"
    root=$(mktemp -d) server=bpfport-programs-$3-server client=bpfport-programs-$3-client
    log=$PWD/build/programs/$name.log
    target=${rule#*:} listen=${rule%%:*}
    target=${target%%/*}
    cleanup() {
        "$bpfport" --netns "$server" detach --all >/dev/null 2>&1 || true
        ip netns del "$server" 2>/dev/null || true
        ip netns del "$client" 2>/dev/null || true
    }
    trap cleanup EXIT

    mount -t tmpfs tmpfs "$root"
    mkdir "$root"/{upper,work,root}
    mount -t overlay overlay -o "lowerdir=/,upperdir=$root/upper,workdir=$root/work" "$root/root"
    for directory in proc sys dev; do mount --rbind /$directory "$root/root/$directory"; done
    mount -t tmpfs tmpfs "$root/root/run"
    mount -t tmpfs tmpfs "$root/root/tmp"
    printf '#!/bin/sh\nexit 101\n' >"$root/root/usr/sbin/policy-rc.d"
    chmod 755 "$root/root/usr/sbin/policy-rc.d"
    chmod 1777 "$root/root/tmp"
    DEBIAN_FRONTEND=noninteractive chroot "$root/root" apt-get install -y -q --no-install-recommends "${packages[@]}" \
        >"$log" 2>&1 || { echo "$name can't-be-installed" && exit 1; }
    version=$(chroot "$root/root" dpkg-query -W -f '${Version}' "${packages[0]}")

    mkdir -p /run/netns
    mount -t tmpfs tmpfs /run/netns # the names, too, go with this mount namespace
    for ns in "$server" "$client"; do
        ip netns add "$ns"
        ip -n "$ns" link set lo up
    done
    ip link add eth0 netns "$server" type veth peer name eth0 netns "$client"
    number=1
    for ns in "$server" "$client"; do
        ip -n "$ns" link set eth0 up
        ip -n "$ns" address add "192.0.2.$number/24" dev eth0
        ip -n "$ns" address add "2001:db8::$number/64" dev eth0 nodad
        number=2
    done

    # within NETNS FUNCTION ARGUMENT…: a function of the description, in the program's root.
    within() {
        nsenter --net="/run/netns/$1" chroot "$root/root" setpriv --bounding-set=-net_bind_service \
            bash -c 'cd "$1"; . "tests/programs/$2.bash"; url_host=$4; [[ $4 != *:* ]] || url_host="[$4]"; "${@:3}"' \
            - "$PWD" "$name" "${@:2}"
    }
    right() { # NETNS HOST PORT
        local got
        got=$(within "$1" ask "$2" "$3" 2>>"$log" </dev/null) || true
        [[ $got =~ $expected ]] || { printf '%s port %s: %q\n' "$2" "$3" "$got" >>"$log" && false; }
    }
    is_up() { # HOST
        if declare -F up >/dev/null; then within "$client" up "$1" "$target" >>"$log" 2>&1 </dev/null; else right "$client" "$1" "$target"; fi
    }
    put_rule() { # ENGINE
        if [[ $1 != redirect ]]; then
            "$bpfport" --netns "$server" attach eth0 "$rule" --engine "$1" "${options[@]}"
            return
        fi
        local protocols=tcp
        [[ $rule != */* ]] || protocols=${rule#*/}
        nsenter --net="/run/netns/$server" nft "add table inet programs
            add chain inet programs in { type nat hook prerouting priority -100; }
            add chain inet programs own { type nat hook output priority -100; }
            add rule inet programs in meta l4proto { ${protocols/+/,} } th dport $listen redirect to :$target
            add rule inet programs own fib daddr type local meta l4proto { ${protocols/+/,} } th dport $listen redirect to :$target"
    }
    take_rule_off() { # ENGINE
        if [[ $1 == redirect ]]; then
            nsenter --net="/run/netns/$server" nft delete table inet programs
        else
            "$bpfport" --netns "$server" detach --all
        fi
    }
    within "$server" serve "" >>"$log" 2>&1 </dev/null &
    SECONDS=0
    until is_up "$v4" && is_up "$v6"; do
        ((SECONDS < 60)) || { echo "$name $version doesn't-answer-itself" && exit 1; }
        sleep 0.5
    done
    cells=() status=0
    for engine in "${engines[@]}"; do
        echo "== $engine" >>"$log"
        put_rule "$engine" >>"$log" 2>&1 || { cells+=(refused) status=1 && continue; }
        wrong=
        for from in "$client" "$server"; do
            for host in "$v4" "$v6"; do
                right "$from" "$host" "$listen" || wrong+=" $([[ $from == "$client" ]] && echo out || echo own)$([[ $host == *:* ]] && echo 6 || echo 4)"
            done
        done
        take_rule_off "$engine" >>"$log" 2>&1
        [[ -z $wrong ]] || status=1
        cells+=("${wrong:+not:}${wrong:-ok}")
    done
    printf '| %s %s | `%s` |' "$name" "${version#*:}" "$rule"
    printf ' %s |' "${cells[@]}"
    echo
    exit "$status"
fi

skip() { echo "programs: skipped: $*" && exit 77; }
[[ $(id -u) == 0 ]] || skip "needs root"
grep -qw overlay /proc/filesystems || skip "the kernel has no overlayfs"
[[ -x $bpfport ]] || skip "no $bpfport (cmake --build --preset release --target bpfport)"
[[ ${1:-} != --engines ]] || { read -ra engines <<<"$2" && shift 2; }
names=("$@")
(($#)) || mapfile -t names < <(cd tests/programs && ls -- *.bash | sed 's/\.bash$//')
mkdir -p build/programs
apt-get update -q >/dev/null || skip "apt-get update failed"
status=0
printf '| program | rule |'
printf ' %s |' "${engines[@]}"
printf '\n| --- | --- |'
printf ' --- |%.0s' "${engines[@]}"
echo
for name in "${names[@]}"; do
    # Killed with this script, and all in the namespaces with it.
    setpriv --pdeathsig KILL unshare -mpf --kill-child --mount-proc --propagation private bash "$0" --inside "$name" $$ "${engines[*]}" </dev/null || status=1
done
exit "$status"
