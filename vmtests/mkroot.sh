#!/usr/bin/env bash
# Makes a guest's root from this machine's files: initramfs archives, which the kernel unpacks one after another.
#
#     vmtests/mkroot.sh base ARCHITECTURE OUT FILE…   busybox, the programs tests call, and FILEs (absolute, as they are)
#     vmtests/mkroot.sh modules OUT MODULES_DIR       the network part of a tree as below /lib/modules/VERSION
#
# Of another architecture than this machine's, programs and libraries are those of sysroot.sh, and FILEs were built for it.
#
# Promises: a file lies in the guest where it lies here, with the shared libraries it needs, so a path that was
# compiled into a test (of bpfport, of its own data) holds there too. What this machine doesn't have is left out: the
# test that calls it says so and skips.
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/lib.bash"

# What tests and the people who debug them call. busybox gives what is left of /bin, but not the shell: its own runs
# its own ip, mount and timeout whatever the PATH.
programs=(sh bash env setpriv su timeout nsenter unshare mount umount ip tc ss bridge ethtool nft iptables ip6tables
    iptables-nft iptables-legacy ip6tables-nft ip6tables-legacy {iptables,ip6tables}-{nft,legacy}-save
    xtables-nft-multi xtables-legacy-multi conntrack sysctl ping curl nginx iperf3 dnsmasq socat tcpdump wg crun bpftool strace
    python3 script tmux ps nstat)
# Read by those programs, or opened by name and so not seen by ldd.
data=(/etc/protocols /etc/services /etc/ethertypes /etc/nsswitch.conf /etc/iproute2 /usr/share/iproute2
    /etc/nginx/mime.types /etc/ssl/openssl.cnf /lib/terminfo /usr/lib/locale/C.utf8 /usr/lib/tc)
# The parts of a modules tree that networking, its cryptography and the guest itself may ask for.
module_dirs=(kernel/net kernel/lib kernel/crypto kernel/arch/{x86,arm64,s390}/crypto kernel/drivers/net kernel/fs/overlayfs)
# Never: what no guest of ours has, and what is large.
module_not=(kernel/drivers/net/{ethernet,wireless,usb,phy,hyperv,can,wan} kernel/net/{wireless,mac80211,bluetooth})

root=$(mktemp -d "${TMPDIR:-/tmp}/vmtests-root.XXXXXX")
trap 'rm -rf "$root"' EXIT

# cpio from busybox, which the guest needs anyway, so no package more is needed.
pack() { (cd "$root" && find . | busybox cpio -o -H newc -R 0:0 2>/dev/null) >"$1"; }

# skeleton: a merged /usr, so that /bin/x and /usr/bin/x are one.
skeleton() {
    mkdir -p "$root"/usr/{bin,sbin,lib,lib64} "$root"/{dev,proc,sys,run,tmp,root,newroot,mnt,home} "$root/var/"{lib,log,cache,tmp}
    mkdir -p "$root/etc" "$root/var/log/nginx" "$root/var/lib/nginx"
    ln -s usr/bin usr/sbin usr/lib usr/lib64 "$root"
    ln -s ../run "$root/var/run"
    chmod 1777 "$root/tmp" "$root/var/tmp"
}

# put ROOT: copies the paths on stdin, one a line, from below ROOT, links followed, to the same place. With their times, by
# which Python knows what is compiled.
put() {
    sed -E 's,^/(bin|sbin|lib|lib64)/,/usr&,; s,^/,,' | sort -u | (cd "$1/" && xargs -r -d '\n' cp -rL --preserve=mode,timestamps --parents -t "$root")
}

# libraries FROM FILE…: what the dynamic linker would load for them, itself included.
libraries() {
    local from=$1 files names name directory
    declare -A seen=()
    # ldd starts several processes for each file, also for a BPF object or a script.
    mapfile -t files < <({ LC_ALL=C grep -lasm 1 -d skip -P '^\x7fELF' "${@:2}" || true; } | grep -v '\.bpf\.o$')
    if [[ -z $from ]]; then
        { ldd "${files[@]}" 2>/dev/null || true; } | sed -nE 's,^[^/]*[[:space:]](/[^ ]+) \(0x.*,\1,p'
        return
    fi
    while ((${#files[@]})); do
        mapfile -t names < <({ readelf -d "${files[@]}" 2>/dev/null || true; } | sed -nE 's/.*\(NEEDED\).*\[(.*)\]$/\1/p' | sort -u)
        files=()
        for name in "${names[@]}"; do
            [[ -z ${seen[$name]:-} ]] || continue
            seen[$name]=1
            for directory in "/usr/lib/$triplet" /usr/lib; do
                [[ -e $from$directory/$name ]] || continue
                echo "$directory/$name"
                files+=("$from$directory/$name")
                break
            done
        done
    done
    # The dynamic linker, by the name that programs have for it.
    (cd "$from" && for name in usr/lib/ld*.so.*; do echo "/$name"; done)
}

# python_modules MODULE…: the files that they are made of, and those compiled, without which a server takes seconds to
# start. All of Python's would be as large as everything else.
python_modules() {
    local import
    import=$(IFS=,; echo "$*")
    /usr/bin/python3 -c "import $import, sys
for module in sys.modules.values():
    for name in '__file__', '__cached__': print(getattr(module, name, None) or '')" 2>/dev/null |
        sed "/^$/d; s/$(triplet "$host_architecture")/$triplet/" || true
}

# base ARCHITECTURE OUT FILE…
base() {
    local out=$2 from='' triplet program directory item own=() modules files=("${@:3}")
    triplet=$(triplet "$1")
    [[ $1 == "$host_architecture" ]] || from=$("$vmtests/sysroot.sh" "$1")
    for program in "${programs[@]}"; do
        # Not the first of PATH: a version manager's shim there is a script that needs the rest of its tree.
        for directory in /usr/sbin /usr/bin /sbin /bin; do
            [[ -x $from$directory/$program ]] || continue
            own+=("$directory/$program")
            break
        done
    done
    mapfile -t modules < <(python_modules argparse contextlib ctypes encodings.idna fcntl \
        http.server mimetypes pwd runpy select socket subprocess)
    for item in "${modules[@]}" "${data[@]}" "/usr/lib/$triplet/xtables"; do
        [[ ! -e $from$item ]] || own+=("$item")
    done
    skeleton
    {
        printf '%s\n' /usr/bin/busybox "${own[@]}"
        libraries "$from" "${own[@]/#/$from}" "${files[@]}"
    } | put "$from"
    ((${#files[@]} == 0)) || printf '%s\n' "${files[@]}" | put ''
    # For what isn't there already; a real program in sbin comes first in the guest's PATH.
    busybox --install -s "$root/usr/bin" 2>/dev/null || true
    # The kernel asks for modules by this name.
    ln -sf ../bin/busybox "$root/usr/sbin/modprobe"
    printf '%s\n' root:x:0:0::/root:/bin/sh daemon:x:1:1::/:/bin/false www-data:x:33:33::/:/bin/false dnsmasq:x:100:65534::/:/bin/false \
        user:x:1000:1000::/tmp:/bin/sh nobody:x:65534:65534::/:/bin/false >"$root/etc/passwd"
    printf '%s\n' root:x:0: daemon:x:1: adm:x:4: www-data:x:33: user:x:1000: nogroup:x:65534: >"$root/etc/group"
    printf '%s\n' '127.0.0.1 localhost vm' '::1 localhost' >"$root/etc/hosts"
    echo vm >"$root/etc/hostname"
    install -m 755 "$vmtests/init" "$root/init"
    pack "$out"
}

modules() {
    local out=$1 tree=$2 version dir to
    version=$(cat "$tree/../version" 2>/dev/null || basename "$(readlink -f "$tree")")
    to=$root/usr/lib/modules/$version
    mkdir -p "$to"
    for dir in "${module_dirs[@]}"; do
        [[ ! -d $tree/$dir ]] || { mkdir -p "$to/${dir%/*}" && cp -r "$tree/$dir" "$to/$dir"; }
    done
    for dir in "${module_not[@]}"; do
        rm -rf "${to:?}/$dir"
    done
    cp "$tree"/modules.{builtin,builtin.modinfo,order} "$to" 2>/dev/null || true
    # For those who ask what the kernel was built with.
    [[ ! -f $tree/../config ]] || install -D -m 644 "$tree/../config" "$root/boot/config-$version"
    find "$to" -name '*.ko.xz' -exec xz -d {} +
    find "$to" -name '*.ko.zst' -exec zstd -qd --rm {} +
    busybox depmod -b "$root/usr" "$version"
    pack "$out"
}

case ${1:-} in
    base) base "${@:2}" ;;
    modules) modules "$2" "$3" ;;
    *) die 2 "usage: vmtests/mkroot.sh base ARCHITECTURE OUT FILE… | modules OUT MODULES_DIR" ;;
esac
