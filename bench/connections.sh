#!/usr/bin/env bash
# Connections a second to nginx, one request each: straight to port 3000, and to port 80 with each engine, with and without
# the hook on getsockname(2). Interleaved rounds, medians; only their ratios mean something on a machine with other loads.
#
#   bench/connections.sh [ROUNDS]     default 9; needs root, nginx and ab (Debian: nginx-light apache2-utils)
set -euo pipefail
cd "$(dirname "$0")/.."
bpfport=${BPFPORT:-$PWD/build/release/user/bpfport} rounds=${1:-9}
for program in "$bpfport" nginx ab; do
    command -v "$program" >/dev/null || { echo "connections: skipped: no $program" && exit 77; }
done
server=bpfport-bench-$$-s client=bpfport-bench-$$-c root=$(mktemp -d) pid=
cleanup() {
    "$bpfport" --netns "$server" detach --all >/dev/null 2>&1 || true
    [[ -z $pid ]] || kill "$pid" || true
    ip netns del "$server" || true
    ip netns del "$client" || true
    rm -rf "$root"
}
trap cleanup EXIT
ip netns add "$server"
ip netns add "$client"
ip link add eth0 netns "$server" type veth peer name eth0 netns "$client"
ip -n "$server" address add 192.0.2.1/24 dev eth0
for n in {10..13}; do ip -n "$client" address add "192.0.2.$n/24" dev eth0; done
for ns in "$server" "$client"; do
    ip -n "$ns" link set eth0 up
    ip -n "$ns" link set lo up
done
echo "daemon off; worker_processes 1; pid $root/pid; error_log $root/log; events { worker_connections 1024; }
    http { access_log off; keepalive_timeout 0; server { listen 3000; return 200 hello; } }" >"$root/conf"
nsenter --net="/run/netns/$server" nginx -c "$root/conf" 2>/dev/null &
pid=$!

declare -A options=([direct]='' [tc]='--engine tc' [sklookup]='--engine sklookup' [sklookup-listen]='--engine sklookup --sockname listen')
# An address for each: a direct connection's TIME_WAIT, with other timestamps, would delay a redirected one from the same port.
declare -A address=([direct]=10 [tc]=11 [sklookup]=12 [sklookup-listen]=13)
ways=(direct tc sklookup-listen sklookup)
for ((round = 0; round < rounds; round++)); do
    for way in "${ways[@]}"; do
        port=3000
        if [[ -n ${options[$way]} ]]; then
            port=80
            # shellcheck disable=SC2086 # words
            "$bpfport" --netns "$server" attach eth0 80:3000 ${options[$way]} >/dev/null
        fi
        nsenter --net="/run/netns/$client" ab -q -n 2000 -c 8 -B "192.0.2.${address[$way]}" "http://192.0.2.1:$port/" 2>/dev/null |
            awk '/^Requests per second/ { print $4 }' >>"$root/$way"
        "$bpfport" --netns "$server" detach --all >/dev/null 2>&1 || true
    done
done
for way in "${ways[@]}"; do
    printf '%-16s %8.0f connections a second\n' "$way" "$(sort -n "$root/$way" | sed -n "$(((rounds + 1) / 2))p")"
done
