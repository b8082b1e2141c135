#!/usr/bin/env bash
# Makes a machine's disk of the root of host.bash.
#
#     vmtests/disk.sh BUILD RELEASE DIRECTORY
#
# Promises: DIRECTORY/disk, an ext4 file system, DIRECTORY/vmlinuz and DIRECTORY/initrd. Exit status 77, after a line that
# says why: can't be had here.
set -euo pipefail
source=$(realpath "$(dirname "$0")/..")
# shellcheck source=../tests/roots.bash
. "$source/tests/roots.bash"
. "$source/vmtests/host.bash"

# Before the kernel's package makes its initrd: with these modules, not with all.
kernel() { # ROOT
    mkdir -p "$1"/etc/initramfs-tools/conf.d "$1"/usr/share/initramfs-tools/modules.d
    echo MODULES=list >"$1/etc/initramfs-tools/conf.d/modules"
    printf '%s\n' virtio_pci virtio_blk ext4 crc32c_generic >"$1/usr/share/initramfs-tools/modules.d/disk"
    add_packages "$1" linux-image-cloud-amd64
}

# Under TCG, on a busy machine, the verifier alone takes a minute of what systemd waits for.
patience() { # ROOT
    local unit
    for unit in bpfport-apply bpfport; do
        mkdir -p "$1/etc/systemd/system/$unit.service.d"
        printf '[Service]\nTimeoutStartSec=600\n' >"$1/etc/systemd/system/$unit.service.d/patience.conf"
    done
}

# In the namespaces. What is mounted in the root is not on the disk.
inside() { # RELEASE PACKAGE DIRECTORY
    local root=/mnt plain=/media
    host_base "$1" "$root"
    layer "$1.kernel" "$root" kernel "$root"
    host_install "$2" "$root"
    patience "$root"
    cp "$root"/boot/vmlinuz-* "$3/vmlinuz"
    cp "$root"/boot/initrd.img-* "$3/initrd"
    mount --bind "$root" "$plain"
    mke2fs -q -t ext4 -d "$plain" "$3/disk" 2G
}

if [[ ${1:-} == --inside ]]; then
    inside "${@:2}"
    exit
fi
(($# == 3)) || {
    echo "usage: vmtests/disk.sh BUILD RELEASE DIRECTORY" >&2
    exit 2
}
build=$(realpath "$1") packages=$(realpath "$3")
need mke2fs
prepare_host "$2"
in_namespaces bash "$0" --inside "$2" "$packages/bpfport.deb" "$packages"
