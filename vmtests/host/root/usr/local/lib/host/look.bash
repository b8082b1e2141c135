# shellcheck shell=bash
# What the host is like after this boot, as lines; one that begins with FAILED fails the test.
set -uo pipefail
. /usr/local/lib/host/host.bash
. /usr/local/lib/host/serve.bash

# since_boot UNIT PROPERTY: a timestamp in milliseconds; 0: there was none.
since_boot() { echo $(($(property "$1" "$2Monotonic") / 1000)); }

# Before a user can log in: systemd-user-sessions.service ends what /run/nologin says, and every getty comes after it.
order() {
    local answered applied users getty
    answered=$(cat /run/answered) users=$(since_boot systemd-user-sessions.service InactiveExitTimestamp)
    applied=$(since_boot "$1" ActiveEnterTimestamp) getty=$(since_boot serial-getty@ttyS0.service InactiveExitTimestamp)
    tell "$1 done at $applied ms, port 80 answered at $answered ms; users may log in from $users ms on, getty $getty ms"
    ((answered > 0 && applied > 0 && users >= applied && getty >= answered)) || wrong "not in this order"
}

look() {
    case $boot in
        1) # apply alone
            order bpfport-apply.service
            expect "apply and the exporter are active" active bpfport-apply.service bpfport-exporter.service
            expect "the exporter answers" metrics
            systemctl -q disable bpfport-apply
            systemctl -q enable bpfport
            ;;
        2) # serve alone
            order bpfport.service
            expect "serve and the exporter are active" active bpfport.service bpfport-exporter.service
            exposure
            serve
            systemctl -q enable bpfport-apply
            ;;
        *) # both
            order bpfport-apply.service
            expect "all three are active" active bpfport-apply.service bpfport.service bpfport-exporter.service
            ;;
    esac
    expect "port 80 is answered" ask 80
    expect "no other user may bind port 3000" guarded_from_others
    expect "no unit has failed" test -z "$(systemctl --failed --no-legend)"
}

parameter() { sed -n "s/.* host\.$1=\([0-9]*\).*/\1/p" /proc/cmdline; }
rounds=$(parameter rounds) patience=$(parameter patience) usual=$(parameter patience)
boot=$(($(cat /var/lib/boots 2>/dev/null || echo 0) + 1))
echo "$boot" >/var/lib/boots
tell "$(systemctl is-system-running --wait), $(systemctl --version | head -n 1), $(uname -r)"
look
journalctl -b --no-pager -o short-monotonic -u 'bpfport*' | sed 's/^/| /'
tell end
systemctl poweroff 2>/dev/null
