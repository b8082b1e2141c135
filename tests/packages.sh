#!/usr/bin/env bash
# The packages of a build in fresh roots of Debian releases: installed, used, upgraded with traffic, removed, purged, after
# which no rule, pin or file is left; then the .rpm and the archive, in the same root.
#
#   tests/packages.sh BUILD [RELEASE...]     default: bookworm and trixie
#
# In the release of this machine the .deb has its libraries from the archive, in others it brings them. What maintainer scripts do
# happens in a network namespace and a bpffs of the root's own (tests/roots.bash), with which nothing of the machine
# is reached. The .rpm is installed by rpm --root --nodeps: what it asks for is not looked up, for Debian has no rpms of it.
# BPFPORT_SOAK=1: the upgrade is killed at each of dpkg's changing calls, not at six. Exit status 77: can't be run here.
set -euo pipefail
source=$(realpath "$(dirname "$0")/..")
# shellcheck source=roots.bash
. "$source/tests/roots.bash"

# In the namespaces.
inside() { # RELEASE PACKAGES OWN
    local release=$1 packages=$2 kind=$3 root=/mnt needed
    mount_root "$release" "$root"
    cp -r "$packages" "$root/root/packages"
    cp "$source/tests/packages/life.bash" "$root/root/"
    needed=$(dpkg-deb -f "$packages/$kind/old.deb" Depends | sed 's/([^)]*)//g; s/,/ /g')
    in_root "$root" sh -c 'apt-get -q update && exec apt-get install -q -y --no-install-recommends "$@"' sh \
        iproute2 curl busybox-static strace $needed >/dev/null
    # From here on nothing has a network but its own.
    exec unshare -n bash "$0" --life "$root" "$kind"
}

life() { # ROOT KIND
    local root=$1 kind=$2 kills=6
    [[ ${BPFPORT_SOAK:-} != 1 ]] || kills=1000000
    mount -t sysfs sysfs "$root/sys"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    mount -t bpf -o mode=0700 bpf "$root/sys/fs/bpf"
    in_root "$root" bash /root/life.bash deb "/root/packages/$kind" "$kills"
    in_root "$root" bash /root/life.bash archive /root/packages
    in_root "$root" bash /root/life.bash begin
    local rpm=(rpm --force-debian --root "$root" --nodeps --dbpath /var/lib/rpm)
    mkdir -p "$root/var/lib/rpm"
    "${rpm[@]}" --install "$root/root/packages/bundle/old.rpm"
    in_root "$root" bash /root/life.bash use
    "${rpm[@]}" --upgrade "$root/root/packages/bundle/new.rpm"
    in_root "$root" bash /root/life.bash upgraded
    "${rpm[@]}" --erase bpfport
    in_root "$root" bash /root/life.bash gone
}

case ${1:-} in
--inside)
    inside "$2" "$3" "$4"
    exit
    ;;
--life)
    life "$2" "$3"
    exit
    ;;
esac

build=$(realpath "${1:?usage: tests/packages.sh BUILD [RELEASE...]}")
shift
releases=("$@")
(($#)) || releases=(bookworm trixie)
[[ -x $build/user/bpfport && -e $build/manual.stamp ]] || skip "$build has no bpfport or no man pages yet"
need cpack patchelf rpm rpmbuild dpkg-deb dpkg-shlibdeps
prepare_roots "${releases[@]}"

packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT
bundle=(-D CPACK_BPFPORT_BUNDLE=ON)
make_package DEB own/old.deb 0.0.1
make_package DEB own/new.deb 0.0.2
make_package DEB bundle/old.deb 0.0.1 "${bundle[@]}"
make_package DEB bundle/new.deb 0.0.2 "${bundle[@]}"
make_package RPM bundle/old.rpm 0.0.1 "${bundle[@]}"
make_package RPM bundle/new.rpm 0.0.2 "${bundle[@]}"
make_package TGZ bpfport.tar.gz 0.0.1

own=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
status=0
for release in "${releases[@]}"; do
    start=$SECONDS
    kind=bundle
    [[ $release != "$own" ]] || kind=own
    if in_namespaces bash "$0" --inside "$release" "$packages" "$kind"; then
        echo "packages: $release ($kind libraries): ok, $((SECONDS - start)) s"
    else
        echo "packages: $release ($kind libraries): FAILED, $((SECONDS - start)) s"
        status=1
    fi
done
exit "$status"
