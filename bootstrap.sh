#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# From a bare Debian 12 or 13 to a running bpfport:
#
#   sudo ./bootstrap.sh demo    install what is needed, build, and show a redirect between two network namespaces
#   sudo ./bootstrap.sh test    install, build and run every test on this kernel, and a part of them inside others (vmtests/)
#   sudo ./bootstrap.sh build   install and build only
#   sudo ./bootstrap.sh packages    install what a build needs, and no more
#
# Safe to run again: what is there already is left as it is. Says what it does. It touches no interface of this
# machine: the demo and the tests live in network namespaces of their own.
set -euo pipefail
cd "$(dirname "$0")"

build_packages=(
    g++ cmake ninja-build pkg-config clang llvm bpftool libbpf-dev libelf-dev zlib1g-dev libmnl-dev libcap-dev
    libfmt-dev libcli11-dev nlohmann-json3-dev libgtest-dev libgmock-dev libncurses-dev libpcap-dev prometheus-cpp-dev
    libtomlplusplus-dev libsystemd-dev
)
demo_packages=(iproute2 curl busybox-static util-linux)
test_packages=(
    nginx-light iperf3 dnsmasq-base socat ethtool nftables iptables tcpdump iputils-ping procps python3 strace libcap2-bin crun
    prometheus tmux wrk gnuplot-nox apache2-bin openssl proftpd-core shellcheck graphviz
    mandoc zsh fish rpm patchelf python3-yaml
    qemu-system-x86 qemu-system-arm g++-aarch64-linux-gnu debian-archive-keyring debootstrap xz-utils clang-19 libclang-rt-19-dev
)

# The programs must load as every clang from 14 on compiles them: those that this release has.
every_clang() {
    apt-cache search --names-only '^clang-[0-9]+$' | awk '{ split($1, name, "-"); if (name[2] >= 14) print $1 }'
}

say() { printf '\n== %s\n' "$*"; }
fail() {
    printf 'bootstrap.sh: %s\n' "$*" >&2
    exit 1
}

# Programs that the tests start by themselves (nginx, prometheus) must not become services of this machine.
without_services() {
    local policy=/usr/sbin/policy-rc.d ours=
    if [[ ! -e $policy ]]; then
        ours=$policy
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
    fi
    local status=0
    "$@" || status=$?
    [[ -z $ours ]] || rm -f "$ours"
    return "$status"
}

install_packages() {
    local missing=() package
    for package in "$@"; do
        [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) == "install ok installed" ]] || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    say "installing ${missing[*]}"
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive without_services apt-get install -y -q --no-install-recommends "${missing[@]}"
}

build() { # [TARGET...]
    say "building${*:+ $*}"
    cmake --preset release >/dev/null
    if (($#)); then
        cmake --build --preset release --target "$@"
    else
        cmake --build --preset release
    fi
}

mount_bpffs() {
    mountpoint -q /sys/fs/bpf && return
    say "mounting the BPF file system on /sys/fs/bpf"
    mount -t bpf bpf /sys/fs/bpf -o mode=0700
}

demo() {
    # Not local: the trap that cleans up runs when the function is gone.
    server=bpfport-server client=bpfport-client pid=
    bpfport=$PWD/build/release/user/bpfport
    root=$(mktemp -d)
    chmod 755 "$root"
    echo "Hello from an unprivileged server on port 3000" >"$root/index.html"

    cleanup() {
        say "cleaning up"
        "$bpfport" --netns "$server" detach --all 2>/dev/null || true
        [[ -z ${pid:-} ]] || kill "$pid" 2>/dev/null || true
        ip netns del "$server" 2>/dev/null || true
        ip netns del "$client" 2>/dev/null || true
        rm -rf "$root"
    }
    trap cleanup EXIT

    say "two network namespaces: $server and $client"
    ip netns del "$server" 2>/dev/null || true
    ip netns del "$client" 2>/dev/null || true
    ip netns add "$server"
    ip netns add "$client"
    ip link add eth0 netns "$server" type veth peer name eth0 netns "$client"
    local n=1 ns url
    for ns in "$server" "$client"; do
        ip -n "$ns" link set lo up
        ip -n "$ns" link set eth0 up
        ip -n "$ns" address add "192.0.2.$n/24" dev eth0
        ip -n "$ns" address add "2001:db8::$n/64" dev eth0 nodad
        n=$((n + 1))
    done

    say "an HTTP server on port 3000, as user nobody"
    nsenter --net="/run/netns/$server" setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all \
        busybox httpd -f -p '[::]:3000' -h "$root" &
    pid=$!
    for _ in {1..50}; do
        nsenter --net="/run/netns/$server" curl -s -o /dev/null 'http://[::1]:3000/' && break
        sleep 0.1
    done

    say "bpfport attach eth0 80:3000"
    "$bpfport" --netns "$server" attach eth0 80:3000

    for url in http://192.0.2.1/ 'http://[2001:db8::1]/'; do
        say "from $client: curl $url"
        nsenter --net="/run/netns/$client" curl -sS --retry 5 --retry-connrefused --max-time 10 "$url"
    done
    say "from the server itself: curl http://localhost/"
    nsenter --net="/run/netns/$server" curl -sS --max-time 10 http://localhost/

    say "bpfport status"
    "$bpfport" --netns "$server" status
}

run_tests() {
    say "tests on this kernel, $(uname -r), and in those of vmtests/kernels.txt"
    ctest --preset release
}

[[ $(id -u) == 0 ]] || fail "run as root: sudo ./bootstrap.sh ${1:-demo}"
command -v apt-get >/dev/null || fail "this script knows Debian's packages only; README lists what to install"
case ${1:-} in
packages)
    install_packages "${build_packages[@]}"
    ;;
build)
    install_packages "${build_packages[@]}"
    build bpfport manual
    ;;
demo)
    install_packages "${build_packages[@]}" "${demo_packages[@]}"
    build bpfport
    mount_bpffs
    demo
    ;;
test)
    install_packages "${build_packages[@]}" "${demo_packages[@]}" "${test_packages[@]}"
    mapfile -t compilers < <(every_clang)
    # Debian 13 has no clang-format 14; the check of the format is skipped there.
    mapfile -t formatter < <(apt-cache search --names-only '^clang-format-14$' | awk '{ print $1 }')
    install_packages "${compilers[@]}" "${formatter[@]}"
    build
    mount_bpffs
    run_tests
    ;;
*)
    sed -n '3,11s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
