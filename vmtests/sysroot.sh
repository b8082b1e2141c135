#!/usr/bin/env bash
# Makes a root of another architecture's packages: what bpfport is cross-built against, and what its guest's programs and
# libraries are taken from. Prints the directory it is in.
#
#     vmtests/sysroot.sh [--update] ARCHITECTURE        as Debian names it: arm64, s390x
#
# Promises: the packages are those of bootstrap.sh, of this machine's own release, so that paths and versions are the same
# here and there; the root is complete when DIR exists, and a second call does nothing unless --update is given. Nothing
# of it is run (no maintainer script), and nothing of this machine is changed.
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/lib.bash"
. "$vmtests/guard.bash"
. "$vmtests/archive.bash"

# packages: of bootstrap.sh's, those that are linked or run in the guest, not those that build or emulate; and what a
# Debian has that is installed.
packages() {
    sed -n '/^[a-z]*_packages=(/,/)$/p' "$repository/bootstrap.sh" | sed 's/#.*//; s/^[a-z_]*=(//; s/)$//' | tr -s ' ' '\n' |
        grep -vE '^$|^(g\+\+|cmake|ninja|pkg-config|clang|llvm|libclang|qemu|debian|xz|ccache|prometheus$)'
    printf '%s\n' bash dash coreutils grep sed util-linux mount bsdutils ncurses-base libc-bin netbase wireguard-tools conntrack
}

# unpack ROOT: a merged /usr, which the packages by themselves do not make.
unpack() {
    local deb
    mkdir -p "$1"/usr/{bin,sbin,lib,lib64}
    ln -s usr/bin usr/sbin usr/lib usr/lib64 "$1"
    for deb in "$root"/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink --no-same-owner -C "$1"
    done
    # Absolute links would lead out of it.
    local link program
    while IFS= read -r -d '' link; do
        ln -sfnr "$1$(readlink "$link")" "$link"
    done < <(find "$1" -type l -lname '/*' -print0)
    # What maintainer scripts and update-alternatives do.
    ln -sf dash "$1/usr/bin/sh"
    for program in {iptables,ip6tables}{,-save,-restore}; do
        [[ ! -e $1/usr/sbin/${program/tables/tables-nft} ]] ||
            ln -sf "${program/tables/tables-nft}" "$1/usr/sbin/$program"
    done
}

update=
if [[ ${1:-} == --update ]]; then
    update=1
    shift
fi
[[ $# == 1 ]] || die 2 "usage: vmtests/sysroot.sh [--update] ARCHITECTURE"
architecture=$1
target=$cache/sysroots/$architecture
# Of these packages of this release, or made again.
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
mapfile -t wanted < <(packages)
made_of="$codename: ${wanted[*]}"
if [[ $(cat "$target/made_of" 2>/dev/null) == "$made_of" && -z $update ]]; then
    echo "$target"
    exit
fi
[[ -r $keyring ]] || die 1 "$keyring not found" "apt-get install debian-archive-keyring"

sysroot() {
    root=$TMPDIR
    private_apt "$root" "$architecture"
    own=$(mirrors)
    [[ -n $own ]] || die 1 "apt names no Debian archive for this machine's release" "set VMTESTS_MIRRORS to one or more"
    export APT_CONFIG=$root/apt.conf
    say "$architecture: packages of $codename"
    list "$codename,$codename-updates,$codename-security" <<<"$own"
    apt-get -q install -y --download-only --no-install-recommends "${wanted[@]}" >>"$root/log" 2>&1 ||
        { cat "$root/log" >&2 && die 1 "the packages of $architecture can't be had"; }
    mkdir -p "$cache/sysroots"
    find "$cache/sysroots" -maxdepth 1 -name '.*.??????' -mmin +60 -exec rm -rf {} +
    staging=$(mktemp -d "$cache/sysroots/.$architecture.XXXXXX")
    trap 'rm -rf "$staging"' EXIT
    unpack "$staging"
    echo "$made_of" >"$staging/made_of"
    chmod 755 "$staging"
    rm -rf "$target"
    mv "$staging" "$target"
    say "$architecture: $(du -sh "$target" | cut -f1) in $target"
    echo "$target"
}

guarded sysroot
