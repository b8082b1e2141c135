#!/usr/bin/env bash
# README's first command in a fresh root of each Debian release, then the unit and prog tests:
#
#   tests/releases.sh [--demo] [RELEASE...]     default: bookworm and trixie; --demo: without the tests
#   tests/releases.sh --builds [RELEASE...]     instead, tests/builds.sh with the release's g++ there; default: trixie
#
# debootstrap makes the root; the archive is the one this machine's apt uses. Everything happens in mount, process, IPC
# and host name namespaces of its own, on a tmpfs and with a bpffs of their own: whatever ends this script, they vanish
# with their last process. The network is this machine's, because apt needs it; the demo and the tests make network
# namespaces. The commit that is checked out is cloned; what is not committed is not tested.
# ~/.cache/bpfport/releases (or BPFPORT_CACHE) keeps the bare roots and the packages. Exit status 77: can't be run here.
set -euo pipefail
source=$(realpath "$(dirname "$0")/..")
# shellcheck source=roots.bash
. "$source/tests/roots.bash"

# In the namespaces.
inside() { # RELEASE MODE
    local release=$1 mode=$2 root=/mnt
    mount_root "$release" "$root"
    git clone -q "$source" "$root/root/bpfport"

    if [[ $mode == builds ]]; then
        in_root "$root" sh -c 'cd /root/bpfport && ./bootstrap.sh packages'
        in_root "$root" env BPFPORT_TARGETS="${BPFPORT_TARGETS:-all}" sh -c 'cd /root/bpfport && exec tests/builds.sh g++'
        return
    fi
    in_root "$root" sh -c 'cd /root/bpfport && exec ./bootstrap.sh demo'
    [[ $mode == tests ]] || return 0
    in_root "$root" sh -c 'cd /root/bpfport && cmake --build --preset release --target unit_tests prog_tests'
    local tests
    for tests in unit prog; do
        in_root "$root" sh -c 'cd /root/bpfport && exec unshare -n build/release/tests/'$tests'_tests --gtest_brief=1'
    done
}

if [[ ${1:-} == --inside ]]; then
    inside "$2" "$3"
    exit
fi

mode=tests releases=(bookworm trixie)
case ${1:-} in
--demo) mode=demo && shift ;;
--builds) mode=builds releases=(trixie) && shift ;;
esac
((!$#)) || releases=("$@")

need git
git -C "$source" rev-parse -q --verify HEAD >/dev/null || skip "not a clone of the repository"
prepare_roots "${releases[@]}"

status=0
for release in "${releases[@]}"; do
    start=$SECONDS
    if in_namespaces bash "$0" --inside "$release" "$mode"; then
        echo "releases: $release: ok, $((SECONDS - start)) s"
    else
        echo "releases: $release: FAILED, $((SECONDS - start)) s"
        status=1
    fi
done
exit "$status"
