# shellcheck shell=bash
# shellcheck disable=SC2154 # $cache and $source: of tests/roots.bash, and of what has it
# A root with systemd, the package of a build installed in it, and what vmtests/host/ has: a policy, a server without
# privileges, and what looks at both. What does not come from the build is kept with the roots.

# layer NAME ROOT COMMAND…: what the command makes of the root, or what it made of it before.
layer() {
    if [[ -f $cache/$1.tar ]]; then
        tar -C "$2" -xf "$cache/$1.tar"
        return
    fi
    "${@:3}" >&2
    tar -C "$2" --one-file-system -cf "$cache/$1.tar.new" .
    mv "$cache/$1.tar.new" "$cache/$1.tar"
}

add_packages() { # ROOT PACKAGE…
    # shellcheck disable=SC2016 # the other shell's
    in_root "$1" sh -c 'apt-get -q update && exec apt-get install -q -y --no-install-recommends "$@"' sh "${@:2}"
}

# In the namespaces of roots.bash.
host_base() { # RELEASE ROOT
    mount_root "$1" "$2"
    layer "$1.systemd" "$2" add_packages "$2" systemd systemd-sysv udev iproute2 busybox-static
}

host_install() { # PACKAGE ROOT
    cp "$1" "$2/root/bpfport.deb"
    in_root "$2" dpkg -i /root/bpfport.deb >&2
    cp -r "$source/vmtests/host/root/." "$2/"
    in_root "$2" bash /root/prepare.bash
}

# What a root needs of this machine and of the build; the package, in $packages.
prepare_host() { # RELEASE
    [[ -x $build/user/bpfport && -e $build/manual.stamp ]] || skip "$build has no bpfport or no man pages yet"
    [[ $(dpkg --print-architecture) == amd64 ]] || skip "for amd64 only"
    need cpack patchelf dpkg-deb
    prepare_roots "$1"
    make_package DEB bpfport.deb 0.0.1 -D CPACK_BPFPORT_BUNDLE=ON
}
