# What documents.py calls before the commands of a page: hosts, servers, cgroups. It runs in a mount namespace and a
# cgroup of its own, so that whatever is started or mounted here goes with them.
# shellcheck shell=bash

# make_hosts BPFPORT: a server and a client, on one network.
make_hosts() {
    mount -t tmpfs tmpfs /mnt
    mkdir -p /mnt/{bin,home,upper,work} /run/netns
    chown www-data: /mnt/home
    cp "$1" /mnt/bin/bpfport
    cp "$DOCUMENTS"/{sudo,dig} /mnt/bin/
    mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work /etc
    mkdir -p /etc/bpfport
    rm -rf /etc/bpfport/policy.*
    mount -t bpf bpf /sys/fs/bpf -o mode=0700
    mount -t tmpfs tmpfs /run/netns
    local host number=1
    for host in server client; do
        ip netns add $host
        ip -n $host link set lo up
        nsenter --net=/run/netns/$host sysctl -qw net.ipv4.ip_local_port_range="32768 60999"
    done
    ip link add eth0 netns server type veth peer name eth0 netns client
    for host in server client; do
        ip -n $host link set eth0 addrgenmode none up
        ip -n $host address add 192.0.2.$number/24 dev eth0
        ip -n $host address add 2001:db8::$number/64 dev eth0 nodad
        number=10
    done
    ip -n client address add 198.51.100.7/32 dev eth0
    ip -n server route add 198.51.100.0/24 via 192.0.2.10
}

on_server() { nsenter --net=/run/netns/server "$@"; }

# serve PORT ANSWER [ADDRESS]: a web server, www-data's for a port that www-data may bind.
serve() {
    local user=www-data
    (($1 >= 1024)) || user=root
    on_server setpriv --reuid=$user --regid=$user --clear-groups python3 "$DOCUMENTS/server.py" "$@" &>>/mnt/log &
    up tcp "$1"
}
# up PROTOCOL PORT: waits until it has a socket.
up() {
    for _ in {1..3000}; do
        if on_server ss -Hln "--$1" | grep -q ":$2 "; then return; fi
        sleep 0.02
    done
    cat /mnt/log
    return 1
}
# greet PORT TEXT: a server that says so to each client, as those of mail do.
greet() {
    on_server setpriv --reuid=www-data --regid=www-data --clear-groups socat "TCP6-LISTEN:$1,fork,reuseaddr,ipv6only=0" \
        "SYSTEM:echo $2; cat" &>>/mnt/log &
    up tcp "$1"
}
# dns ADDRESS PORT ANSWER [OPTION...]: a DNS server, that answers every name with an address.
dns() {
    on_server dnsmasq -k -u www-data -p "$2" --listen-address="$1" --bind-interfaces --no-resolv --no-hosts --address=/#/"$3" \
        --conf-file=/dev/null --pid-file= "${@:4}" &>>/mnt/log &
    up udp "$2"
}

# in_unit NAME COMMAND...: runs it there.
in_unit() { bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$SLICE/$1.service" "${@:2}"; }
# unit NAME: the cgroup of a systemd unit that runs.
unit() { mkdir -p "$SLICE/$1.service"; }
# user_slice UID: likewise, of all that a user runs.
user_slice() { mkdir -p "$SLICE/user-$1.slice"; }
