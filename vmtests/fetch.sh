#!/usr/bin/env bash
# Fetches a kernel of kernels.txt from the Debian archive into the cache and prints the directory it is in.
#
#     vmtests/fetch.sh [--update] KERNEL
#
# Promises: DIR/vmlinuz, DIR/config, DIR/modules (the tree below /lib/modules/VERSION) and DIR/version are complete
# when DIR exists; a second call does nothing unless --update is given. Every byte is vouched for by apt: signed Release ->
# hash of Packages -> hash of the package. The machine's own apt state is neither used nor changed, only its
# configuration is read: the mirrors, so that no archive address is written here, and the Acquire settings (proxy).
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/lib.bash"
. "$vmtests/guard.bash"
. "$vmtests/archive.bash"

# The kernels of cloud flavour are the smaller ones; not every architecture has them.
flavour() {
    case $architecture in
        amd64 | arm64) echo "cloud-$architecture" ;;
        *) echo "$architecture" ;;
    esac
}

# candidates SERIES: the kernel packages of that series in the lists, oldest first. Up to 6.x the image is
# in linux-image-…, from 7.x in linux-binary-… (and the modules apart).
candidates() {
    local series=${1//./\\.} flavour
    flavour=$(flavour)
    [[ $series != '*' ]] || series='[0-9]+\.[0-9]+'
    apt-cache pkgnames linux- |
        grep -E "^linux-(image|binary)-${series}[.+~-].*$flavour(-unsigned)?$" |
        grep -vE -- '-(dbg|dbgsym)$|-rc' |
        awk '{ v = $0; sub(/^linux-(image|binary)-/, "", v); sub(/-unsigned$/, "", v)
               # of the signed and the unsigned image with one version, the unsigned: it holds the same kernel
               # and is there earlier
               print v, ($0 ~ /-unsigned$/), ($0 ~ /^linux-binary-/), $0 }' |
        sort -V | cut -d' ' -f4 || true
}

update=
if [[ ${1:-} == --update ]]; then
    update=1
    shift
fi
[[ $# == 1 ]] || die 2 "usage: vmtests/fetch.sh [--update] KERNEL"
name=$1
read -r series suites _ architecture _ < <(kernel_entry "$name")
target=$cache/kernels/$name
if [[ -d $target && -z $update ]]; then
    echo "$target"
    exit
fi
[[ -r $keyring ]] || die 1 "$keyring not found" "apt-get install debian-archive-keyring"

# download SERIES: the newest kernel of the lists that is really there, into ROOT/archives; its version on stdout.
# An index may name a package that the pool has lost (a security archive after the end of support), so the next
# older one is tried.
download() {
    local package version part packages
    while read -r package; do
        version=${package#linux-*-}
        version=${version%-unsigned}
        packages=("$package")
        # From 7.x the modules, and what describes the kernel (its configuration), are packages of their own.
        for part in "linux-modules-$version" "linux-base-$version"; do
            [[ -z $(apt-cache pkgnames "$part") ]] || packages+=("$part")
        done
        say "$name: downloading ${packages[*]}"
        rm -f "$root"/archives/*.deb
        if (cd "$root/archives" && apt-get -q download "${packages[@]}") >>"$root/log" 2>&1; then
            echo "$version"
            return
        fi
        say "$name: $version is listed but can't be had; trying the next"
    done < <(candidates "$1" | tac)
    return 1
}

fetch() {
    root=$TMPDIR
    private_apt "$root" "$architecture"
    own=$(mirrors)
    [[ -n $own ]] || die 1 "apt names no Debian archive for this machine's release" "set VMTESTS_MIRRORS to one or more"
    say "$name: looking in ${suites//,/, }"
    export APT_CONFIG=$root/apt.conf
    list "$suites" <<<"$own"
    if ! version=$(download "$series"); then
        list "$suites" < <(siblings <<<"$own")
        if ! version=$(download "$series"); then
            cat "$root/log" >&2
            die 1 "no linux-image-$series*-$(flavour) to be had from $suites" \
                "did the suite move? see kernels.txt and VMTESTS_MIRRORS in README.md"
        fi
    fi
    for deb in "$root"/archives/*.deb; do
        dpkg-deb -x "$deb" "$root/tree"
    done

    mkdir -p "$cache/kernels"
    # What a killed one left, but for another that is at it.
    find "$cache/kernels" -maxdepth 1 -name '.*.??????' -mmin +60 -exec rm -rf {} +
    staging=$(mktemp -d "$cache/kernels/.$name.XXXXXX")
    trap 'rm -rf "$staging"' EXIT
    find "$root/tree" -name 'vmlinuz*' -type f -exec cp {} "$staging/vmlinuz" \;
    find "$root/tree" \( -name "config-$version" -o -path "*/$version/config" \) -exec cp {} "$staging/config" \;
    tree=$(find "$root/tree" -path "*lib/modules/$version" -type d)
    [[ -s $staging/vmlinuz && -d $tree/kernel ]] || die 1 "$version: no kernel or no modules in it"
    cp -a "$tree" "$staging/modules"
    rm -f "$staging/modules/vmlinuz" "$staging/modules/"{build,source}
    echo "$version" >"$staging/version"
    chmod 755 "$staging"
    rm -rf "$target"
    mv "$staging" "$target"
    say "$name: $version"
    echo "$target"
}

guarded fetch
