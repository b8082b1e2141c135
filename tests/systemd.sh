#!/usr/bin/env bash
# The package under a real systemd: units, readiness, reload, watchdog, journal, a unit that is restarted under serve, upgrades.
#
#   tests/systemd.sh BUILD [RELEASE]     default: trixie
#
# systemd is the first process of a root (vmtests/host.bash) in namespaces: mount, process, network, cgroup. What it would set of
# the machine is read-only to it: /proc/sys but for net, /sys but for cgroups and a bpffs of its own. vmtests/reboot.sh
# is the same with a kernel of its own, and boots. BPFPORT_SERVE_ROUNDS: how often the unit is restarted (20).
# Exit status 77: can't be run here.
set -euo pipefail
source=$(realpath "$(dirname "$0")/..")
# shellcheck source=roots.bash
. "$source/tests/roots.bash"
. "$source/vmtests/host.bash"

# In the namespaces of roots.bash, as their first process. They have the machine's network until the root is whole.
inside() { # RELEASE PACKAGE ROUNDS
    host_base "$1" /mnt
    host_install "$2" /mnt
    in_root /mnt sh -e -c 'cd /root && dpkg-deb -R bpfport.deb next && sed -i "s/^Version: .*/Version: 0.0.2/" next/DEBIAN/control &&
        dpkg-deb -Znone -b next next.deb >/dev/null && rm -r next'
    # In a cgroup namespace an owner is refused: the guard would not hold outside of it.
    sed -i '/^owner/d' /mnt/etc/bpfport/policy.d/host.toml
    in_root /mnt systemctl -q enable bpfport
    in_root /mnt systemctl -q disable answers host systemd-networkd
    exec unshare -nC bash "$0" --start "$3"
}

devices() { # DIRECTORY
    local device
    mount -t tmpfs -o mode=755 tmpfs "$1"
    mkdir "$1"/{pts,shm}
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/pts"
    ln -s pts/ptmx "$1/ptmx"
    ln -s /proc/self/fd "$1/fd"
    for device in null zero full random urandom tty; do
        cp -a "/dev/$device" "$1"
    done
}

start() { # ROUNDS
    local root=/mnt
    umount -l "$root/dev" "$root/sys" "$root/proc"
    devices "$root/dev"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    mount -t bpf -o mode=0700 bpf "$root/sys/fs/bpf"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    mount -t proc proc "$root/proc"
    mount --bind "$root/proc/sys" "$root/proc/sys"
    mount --bind "$root/proc/sys/net" "$root/proc/sys/net"
    mount -o remount,ro,bind "$root/proc/sys"
    ip link set lo up
    ip link add eth0 type veth peer name wire
    ip address add 10.0.2.15/24 dev eth0
    ip link set wire up
    ip link set eth0 up
    mkdir "$root/machine"
    pivot_root "$root" "$root/machine"
    cd /
    in_root / bash -c 'umount -l /machine && exec bash /usr/local/lib/host/live.bash "$1"' bash "$1" &
    exec env -i container=namespaces PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=null
}

case ${1:-} in
--inside)
    inside "${@:2}"
    ;;
--start)
    start "$2"
    ;;
esac

build=$(realpath "${1:?usage: tests/systemd.sh BUILD [RELEASE]}") release=${2:-trixie}
hierarchy=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[[ -n $hierarchy ]] || skip "no cgroup version 2 hierarchy is mounted"
packages=$(mktemp -d) cgroup=$hierarchy/bpt-systemd-$$
remove() {
    rm -rf "$packages"
    [[ ! -d $cgroup ]] || find "$cgroup" -depth -type d -exec rmdir {} +
}
trap remove EXIT
prepare_host "$release"
mkdir "$cgroup"
start=$SECONDS status=0
(
    echo "$BASHPID" >"$cgroup/cgroup.procs"
    in_namespaces bash "$0" --inside "$release" "$packages/bpfport.deb" "${BPFPORT_SERVE_ROUNDS:-20}"
) || status=$?
echo "systemd: $release: $( ((status)) && echo FAILED || echo ok), $((SECONDS - start)) s"
exit "$status"
