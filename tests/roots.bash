# shellcheck shell=bash
# shellcheck disable=SC2154 # $source is the caller's
# Fresh roots of Debian releases, for tests that install something. debootstrap makes them; the archive is the one this
# machine's apt uses. Everything happens in mount, process, IPC and host name namespaces of its own, on a tmpfs and with a bpffs of
# their own: whatever ends the test, they vanish with their last process.
# ~/.cache/bpfport/releases (or BPFPORT_CACHE) keeps the bare roots and the packages. Exit status 77: can't be run here.
cache=${BPFPORT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bpfport}/releases
# shellcheck source=../vmtests/archive.bash
. "$source/vmtests/archive.bash"

skip() {
    echo "$(basename "$0" .sh): skipped: $*"
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

mount_root() { # RELEASE ROOT: in the namespaces
    local release=$1 root=$2
    mount -t tmpfs -o mode=755 tmpfs "$root"
    bare_root "$release" "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount --rbind /sys "$root/sys"
    mount -t bpf -o mode=0700 bpf "$root/sys/fs/bpf"
    mkdir -p "$cache/$release.packages/partial"
    mount --bind "$cache/$release.packages" "$root/var/cache/apt/archives"
}

in_root() { # ROOT COMMAND...
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$@"
}

need() { # PROGRAM...
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || skip "no $program"
    done
}

# What roots need is here; one test at a time has them.
prepare_roots() { # RELEASE...
    [[ $(id -u) == 0 ]] || skip "needs root"
    need debootstrap unshare setpriv apt-config
    [[ -r $keyring ]] || skip "no $keyring (Debian: debian-archive-keyring)"
    unshare -mpiu --fork true 2>/dev/null || skip "namespaces can't be made"
    # The main archive, and the one of security updates if this machine's apt knows one.
    local known answer
    known=$(mirrors | sed 's|/*$||')
    archive=$(grep -m1 '/debian$' <<<"$known") || skip "this machine's apt knows no Debian archive"
    security=$(grep -m1 '/debian-security$' <<<"$known") || security=
    export archive security
    answer=$(mktemp)
    /usr/lib/apt/apt-helper download-file "$archive/dists/$1/Release" "$answer" >/dev/null 2>&1 || {
        rm -f "$answer"
        skip "the archive can't be reached"
    }
    rm -f "$answer"
    (($(awk '/^MemAvailable/ { print $2 }' /proc/meminfo) > 5000000)) || skip "the roots are in memory and need 5 GB"
    mkdir -p "$cache"
    exec {lock}>"$cache/lock"
    flock "$lock"
}

# Killed together with this script, and everything in the namespaces with it.
in_namespaces() { # COMMAND...
    setpriv --pdeathsig KILL unshare -mpiu --propagation private --fork --kill-child "$@" {lock}>&- </dev/null
}

# Of the build in $build, into the directory $packages.
make_package() { # FORMAT NAME VERSION [OPTION...]
    local format=$1 name=$2 version=$3
    shift 3
    (cd "$build" && cpack -G "$format" -B "$packages/made" -D CPACK_PACKAGE_VERSION="$version" "$@") >"$packages/log" 2>&1 || {
        cat "$packages/log"
        exit 1
    }
    mkdir -p "$(dirname "$packages/$name")"
    mv "$packages"/made/bpfport[-_]*."${name##*.}" "$packages/$name"
    rm -rf "$packages/made"
}
