#!/usr/bin/env bash
# Run by tests/packages.sh in a root and a network namespace of its own: steps of the life of a package.
set -euo pipefail
trap 'echo "packages: line $LINENO failed: $BASH_COMMAND" >&2' ERR
bpfport=/usr/sbin/bpfport

fail() {
    echo "packages: $*" >&2
    exit 1
}

ask() { # through the rule, by a client of another namespace
    ip netns exec client curl -sS --max-time 3 http://192.0.2.1/
}

# Two namespaces, this one and a client's, and a server on 3000.
begin() {
    [[ ! -e /run/netns/client ]] || return 0
    ip link set lo up
    ip netns add client
    ip link add eth0 type veth peer name eth0 netns client
    ip address add 192.0.2.1/24 dev eth0
    ip -n client address add 192.0.2.2/24 dev eth0
    ip link set eth0 up
    ip -n client link set eth0 up
    ip -n client link set lo up
    mkdir -p /srv/www
    echo reached >/srv/www/index.html
    setsid setpriv --reuid=65534 --regid=65534 --clear-groups busybox httpd -f -p 3000 -h /srv/www </dev/null >/dev/null 2>&1 &
    for _ in {1..50}; do
        [[ $(curl -s http://192.0.2.1:3000/) != reached ]] || return 0
        sleep 0.1
    done
    fail "no server"
}

pins() { (cd /sys/fs/bpf && find . -mindepth 2 -printf '%i %p\n' | sort); } # below bpfport, which may stay

nothing_in_force() {
    [[ -z $(pins) ]] || fail "pins are left: $(pins)"
    ! ask >/dev/null 2>&1 || fail "port 80 is redirected"
}

# The files are there, and nothing is enabled or in force.
installed() {
    "$bpfport" --version >/dev/null
    [[ $("$bpfport" check) == "no errors: 1 file, 0 rules, 0 grants" ]] || fail "the policy: $("$bpfport" check)"
    for file in /usr/lib/systemd/system/bpfport-{apply,exporter}.service /usr/share/man/man8/bpfport-attach.8.gz \
        /usr/share/bash-completion/completions/bpfport /usr/share/fish/vendor_completions.d/bpfport.fish; do
        [[ -s $file ]] || fail "no $file"
    done
    ! compgen -G '/etc/systemd/system/*/bpfport*' || fail "a unit is enabled"
    nothing_in_force
}

use() {
    "$bpfport" attach eth0 80:3000 81:3000 >/dev/null
    [[ $(ask) == reached ]] || fail "port 80 is not redirected"
    pins >/root/pins
}

upgraded() {
    [[ $(pins) == "$(cat /root/pins)" ]] || fail "the upgrade changed what is in force: $(diff /root/pins <(pins))"
    [[ $(ask) == reached ]] || fail "port 80 is not redirected after the upgrade"
}

gone() {
    [[ ! -e $bpfport ]] || fail "$bpfport is left"
    nothing_in_force
}

# Asks repeatedly until /root/enough is there; writes how often, and how often there was no answer.
traffic() {
    local asked=0 failed=0
    while [[ ! -e /root/enough ]]; do
        asked=$((asked + 1))
        [[ $(ask 2>/dev/null) == reached ]] || failed=$((failed + 1))
    done
    echo "$asked $failed" >/root/counted
}

# The calls by which dpkg and what it starts change files.
changing=rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir

# Of a log of strace: those that succeeded, of the process that has most, as "NAME NUMBER" (which of that name it is).
calls_of() {
    awk '{ name = substr($2, 1, index($2, "(") - 1) }
        name == "" { next }
        { number[$1, name]++ }
        !/= -1 / { text[$1] = text[$1] name " " number[$1, name] "\n"; if (++count[$1] > count[most]) most = $1 }
        END { printf "%s", text[most] }' "$1"
}

version() { dpkg-query -W -f '${db:Status-Abbrev}${Version}' bpfport; }

# The upgrade killed at calls that are spread over it: nothing in force changes, the command works, and the same upgrade run
# again finishes.
killed() { # DIRECTORY MOST
    local calls call name number repaired=0 kills=0 status
    dpkg --install "$1/old.deb" >/dev/null 2>&1
    strace -f -qqq -o /root/calls -e "trace=bpf,$changing" dpkg --install "$1/new.deb" >/dev/null
    ! grep -E 'bpf\(|/sys/fs/bpf' /root/calls || fail "the upgrade itself changes what is in the kernel"
    mapfile -t calls < <(calls_of /root/calls)
    for ((call = 0; call < ${#calls[@]}; call += 1 + (${#calls[@]} - 1) / $2)); do
        read -r name number <<<"${calls[call]}"
        dpkg --install "$1/old.deb" >/dev/null 2>&1
        status=0
        {
            strace -f -qqq -o /dev/null -e "trace=$name" -e "inject=$name:signal=KILL:when=$number" \
                dpkg --install "$1/new.deb" || status=$?
        } >/dev/null 2>&1
        ((status == 137)) || fail "dpkg was not killed at $name $number: $status"
        upgraded
        [[ $("$bpfport" status) == *80:3000* ]] || fail "no status, killed at $name $number"
        dpkg --configure -a >/dev/null 2>&1 || true
        [[ $(version) != 'ii 0.0.2' ]] || repaired=$((repaired + 1))
        dpkg --install "$1/new.deb" >/dev/null 2>&1 || fail "not upgraded after a kill at $name $number"
        [[ $(version) == 'ii 0.0.2' ]] || fail "$(version) after a kill at $name $number"
        ! dpkg --verify bpfport | grep -v ' c /etc' || fail "files differ after a kill at $name $number"
        upgraded
        kills=$((kills + 1))
    done
    echo "packages: .deb: the upgrade killed at $kills of its ${#calls[@]} changing calls, of which none is of bpf;" \
        "dpkg --configure -a finished $repaired, the upgrade again all"
}

deb() { # DIRECTORY MOST
    local asked failed client
    begin
    dpkg --install "$1/old.deb" >/dev/null
    installed
    [[ -z $(dpkg --verify bpfport) ]] || fail "$(dpkg --verify bpfport)"
    use

    # One request is begun before the upgrade and ended after it.
    echo '# an edit of the administrator' >>/etc/bpfport/policy.toml
    rm -f /root/enough
    traffic &
    client=$!
    coproc CONNECTION { exec ip netns exec client busybox nc 192.0.2.1 80; }
    printf 'GET / HTTP/1.0\r\n' >&"${CONNECTION[1]}"
    sleep 1
    dpkg --install "$1/new.deb" >/dev/null
    sleep 1
    printf '\r\n' >&"${CONNECTION[1]}"
    grep -q reached <&"${CONNECTION[0]}" || fail "a connection did not survive the upgrade"
    upgraded
    killed "$1" "$2"
    touch /root/enough
    wait "$client"
    read -r asked failed </root/counted
    ((asked > 20 && failed == 0)) || fail "of $asked requests during the upgrades $failed had no answer"
    upgraded
    grep -q '^# an edit' /etc/bpfport/policy.toml || fail "the upgrade replaced the policy"
    [[ $(version) == 'ii 0.0.2' ]] || fail "not upgraded"

    dpkg --remove bpfport >/dev/null
    gone
    [[ -e /etc/bpfport/policy.toml ]] || fail "the removal took the policy"
    dpkg --purge bpfport >/dev/null 2>&1
    purged

    # A program that fails can't end the rules; the purge does.
    dpkg --install "$1/old.deb" >/dev/null
    use
    cp /bin/false "$bpfport"
    dpkg --purge bpfport >/dev/null 2>&1
    purged
    echo "packages: .deb: $asked requests during the upgrades, each was answered"
}

purged() {
    gone
    [[ ! -e /etc/bpfport ]] || fail "/etc/bpfport is left"
    [[ ! -e /sys/fs/bpf/bpfport ]] || fail "/sys/fs/bpf/bpfport is left"
    local left
    left=$(find / -xdev -path /root -prune -o -path /proc -prune -o -path /var/log -prune -o -path /var/cache -prune -o \
        -iname '*bpfport*' -print)
    [[ -z $left ]] || fail "left: $left"
}

archive() { # DIRECTORY
    begin
    tar -C / -xzf "$1/bpfport.tar.gz"
    bpfport=/usr/local/sbin/bpfport
    use
    "$bpfport" detach --all
    nothing_in_force
    [[ -s /usr/local/share/doc/bpfport/libraries/libbpf1 ]] || fail "no licences"
    tar -tzf "$1/bpfport.tar.gz" | grep -v '/$' | (cd / && xargs rm)
}

"$@"
