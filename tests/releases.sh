#!/usr/bin/env bash
# README's first command in a fresh root of each Debian release, then the unit and prog tests:
#
#   tests/releases.sh [--demo] [RELEASE...]     default: bookworm and trixie; --demo: without the tests
#
# debootstrap makes the root; the archive is the one this machine's apt uses. Everything happens in mount, process, IPC
# and host name namespaces of its own, on a tmpfs and with a bpffs of their own: whatever ends this script, they vanish
# with their last process. The network is this machine's, because apt needs it; the demo and the tests make network
# namespaces. The commit that is checked out is cloned; what is not committed is not tested.
# ~/.cache/bpfport/releases (or BPFPORT_CACHE) keeps the bare roots and the packages. Exit status 77: can't be run here.
set -euo pipefail
source=$(realpath "$(dirname "$0")/..")
cache=${BPFPORT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bpfport}/releases
# shellcheck source=../vmtests/archive.bash
. "$source/vmtests/archive.bash"

skip() {
    echo "releases: skipped: $*"
    exit 77
}

bare_root() { # RELEASE ROOT
    local release=$1 root=$2
    if [[ ! -f $cache/$release.tar ]]; then
        debootstrap --variant=minbase --keyring="$keyring" --include=ca-certificates "$release" "$root" "$archive"
        {
            echo "deb $archive $release main"
            echo "deb $archive $release-updates main"
            [[ -z $security ]] || echo "deb $security $release-security main"
        } >"$root/etc/apt/sources.list"
        tar -C "$root" -cf "$cache/$release.tar.new" .
        mv "$cache/$release.tar.new" "$cache/$release.tar"
    else
        tar -C "$root" -xf "$cache/$release.tar"
    fi
    apt-config dump | grep -i '^Acquire::.*proxy' >"$root/etc/apt/apt.conf.d/00proxy" || true
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
}

# In the namespaces.
inside() { # RELEASE MODE
    local release=$1 mode=$2 root=/mnt
    mount -t tmpfs -o mode=755 tmpfs "$root"
    bare_root "$release" "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount --rbind /sys "$root/sys"
    mount -t bpf -o mode=0700 bpf "$root/sys/fs/bpf"
    mkdir -p "$cache/$release.packages/partial"
    mount --bind "$cache/$release.packages" "$root/var/cache/apt/archives"
    git clone -q "$source" "$root/root/bpfport"

    local run=(env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LC_ALL=C.UTF-8 chroot "$root")
    "${run[@]}" sh -c 'cd /root/bpfport && exec ./bootstrap.sh demo'
    [[ $mode == tests ]] || return 0
    "${run[@]}" sh -c 'cd /root/bpfport && cmake --build --preset release --target unit_tests prog_tests'
    local tests
    for tests in unit prog; do
        "${run[@]}" sh -c 'cd /root/bpfport && exec unshare -n build/release/tests/'$tests'_tests --gtest_brief=1'
    done
}

if [[ ${1:-} == --inside ]]; then
    inside "$2" "$3"
    exit
fi

mode=tests
[[ ${1:-} != --demo ]] || {
    mode=demo
    shift
}
releases=("$@")
(($#)) || releases=(bookworm trixie)

[[ $(id -u) == 0 ]] || skip "needs root"
for program in debootstrap unshare setpriv git apt-config; do
    command -v "$program" >/dev/null || skip "no $program"
done
[[ -r $keyring ]] || skip "no $keyring (Debian: debian-archive-keyring)"
unshare -mpiu --fork true 2>/dev/null || skip "namespaces can't be made"
git -C "$source" rev-parse -q --verify HEAD >/dev/null || skip "not a clone of the repository"
# The main archive, and the one of security updates if this machine's apt knows one.
known=$(mirrors | sed 's|/*$||')
archive=$(grep -m1 '/debian$' <<<"$known") || skip "this machine's apt knows no Debian archive"
security=$(grep -m1 '/debian-security$' <<<"$known") || security=
export archive security
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
/usr/lib/apt/apt-helper download-file "$archive/dists/${releases[0]}/Release" "$answer" >/dev/null 2>&1 ||
    skip "the archive can't be reached"
(($(awk '/^MemAvailable/ { print $2 }' /proc/meminfo) > 5000000)) || skip "the roots are in memory and need 5 GB"
mkdir -p "$cache"
exec {lock}>"$cache/lock"
flock "$lock"

status=0
for release in "${releases[@]}"; do
    start=$SECONDS
    # Killed together with this script, and everything in the namespaces with it.
    if setpriv --pdeathsig KILL unshare -mpiu --propagation private --fork --kill-child \
        bash "$0" --inside "$release" "$mode" {lock}>&- </dev/null; then
        echo "releases: $release: ok, $((SECONDS - start)) s"
    else
        echo "releases: $release: FAILED, $((SECONDS - start)) s"
        status=1
    fi
done
exit "$status"
