#!/usr/bin/env bash
# Makes a machine's disk: a Debian release with systemd and its own kernel, the package of a build installed in it, and what
# vmtests/host/ has: a policy, a server without privileges, and what looks at both.
#
#     vmtests/disk.sh BUILD RELEASE DIRECTORY
#
# Promises: DIRECTORY/disk, an ext4 file system, DIRECTORY/vmlinuz and DIRECTORY/initrd. Exit status 77, after a line that
# says why: can't be had here. What does not come from the build is kept with the roots of tests/roots.bash.
set -euo pipefail
source=$(realpath "$(dirname "$0")/..")
# shellcheck source=../tests/roots.bash
. "$source/tests/roots.bash"

# Before the kernel's package makes its initrd: with these modules, not with all.
base() { # ROOT
    mkdir -p "$1"/etc/initramfs-tools/conf.d "$1"/usr/share/initramfs-tools/modules.d
    echo MODULES=list >"$1/etc/initramfs-tools/conf.d/modules"
    printf '%s\n' virtio_pci virtio_blk ext4 crc32c_generic >"$1/usr/share/initramfs-tools/modules.d/disk"
    in_root "$1" sh -c 'apt-get -q update && exec apt-get install -q -y --no-install-recommends "$@"' sh \
        systemd systemd-sysv udev iproute2 busybox-static linux-image-cloud-amd64
}

# In the namespaces. What is mounted in the root is not on the disk.
inside() { # RELEASE PACKAGE DIRECTORY
    local root=/mnt plain=/media base=$cache/$1.systemd.tar
    mount_root "$1" "$root"
    if [[ -f $base ]]; then
        tar -C "$root" -xf "$base"
    else
        base "$root" >&2
        tar -C "$root" --one-file-system -cf "$base.new" .
        mv "$base.new" "$base"
    fi
    cp "$2" "$root/root/bpfport.deb"
    in_root "$root" dpkg -i /root/bpfport.deb >&2
    cp -r "$source/vmtests/host/root/." "$root/"
    in_root "$root" bash /root/prepare.bash
    cp "$root"/boot/vmlinuz-* "$3/vmlinuz"
    cp "$root"/boot/initrd.img-* "$3/initrd"
    mount --bind "$root" "$plain"
    mke2fs -q -t ext4 -d "$plain" "$3/disk" 2G
}

if [[ $1 == --inside ]]; then
    inside "${@:2}"
    exit
fi
(($# == 3)) || {
    echo "usage: vmtests/disk.sh BUILD RELEASE DIRECTORY" >&2
    exit 2
}
build=$(realpath "$1") packages=$(realpath "$3")
[[ -x $build/user/bpfport && -e $build/manual.stamp ]] || skip "$build has no bpfport or no man pages yet"
[[ $(dpkg --print-architecture) == amd64 ]] || skip "for amd64 only"
need cpack patchelf dpkg-deb mke2fs
prepare_roots "$2"
make_package DEB bpfport.deb 0.0.1 -D CPACK_BPFPORT_BUNDLE=ON
in_namespaces bash "$0" --inside "$2" "$packages/bpfport.deb" "$packages"
