# shellcheck shell=bash
# shellcheck disable=SC2154 # look.bash's
# What serve does under a real systemd.

metrics() {
    local line count=0
    exec {wire}<>/dev/tcp/127.0.0.1/9880 || return 1
    printf 'GET /metrics HTTP/1.0\r\n\r\n' >&"$wire"
    while IFS= read -r -t 5 line <&"$wire"; do
        [[ $line != bpfport_* ]] || count=$((count + 1))
    done
    exec {wire}>&-
    tell "$count samples of metrics"
    ((count > 0))
}

journal() { journalctl -b -q --no-pager -u bpfport.service -o json | grep -q "$1"; }
is_active() { [[ $(property bpfport.service ActiveState) == active ]]; }
says() { [[ $(property bpfport.service StatusText) == *"$1"* ]]; }
binds() { grep -q ':01BB 0*:0000 0A' /proc/net/tcp6; }
served_by_another() { [[ $(property bpfport.service NRestarts) == 1 ]] && is_active; }

# Its cgroup is removed and made again each time. How long its server takes to have the port, after the unit is started.
restarts() {
    local times=() time round
    for ((round = 0; round < rounds; round++)); do
        systemctl restart bind.service
        time=$(within "$patience" binds) || {
            wrong "restart $round: port 443 is not bound after $patience ms"
            return
        }
        times+=("$time")
    done
    mapfile -t times < <(printf '%s\n' "${times[@]}" | sort -n)
    tell "a unit restarted $rounds times: port 443 bound within ${times[rounds / 2]} ms (median), ${times[-1]} ms (longest)"
    ((times[rounds / 2] <= usual)) || wrong "more than $usual ms"
}

# With apply before it, the unit may bind its port at once.
before_start() {
    local round
    mkdir -p /run/systemd/system/bind.service.d
    printf '[Service]\nExecStartPre=+-/usr/sbin/bpfport apply\nExecStart=\nExecStart=%s\n' \
        '/usr/bin/busybox httpd -f -p 443 -h /srv/www' >/run/systemd/system/bind.service.d/bpfport.conf
    systemctl daemon-reload
    for ((round = 0; round < 5; round++)); do
        systemctl restart bind.service && within 2000 binds >/dev/null || return 1
    done
    systemctl stop bind.service
}

reload() {
    local main
    main=$(property bpfport.service MainPID)
    printf '[[interface]]\nname = "any"\nrules = ["81:3000"]\n' >/etc/bpfport/policy.d/more.toml
    systemctl reload bpfport.service && within 3000 ask 81 >/dev/null && within 3000 is_active >/dev/null &&
        [[ $(property bpfport.service MainPID) == "$main" ]]
}

wrong_file() {
    echo 'rules = [' >/etc/bpfport/policy.d/wrong.toml
    within 3000 says wrong.toml >/dev/null && tell "STATUS=$(property bpfport.service StatusText)" && ask 80 && ask 81
    local result=$?
    rm /etc/bpfport/policy.d/{wrong,more}.toml
    within 3000 says "in force" >/dev/null && return "$result"
}

# A process that no longer runs is ended and started again by systemd; no packet waits for that.
watchdog() {
    local time seconds=$((2 + usual / 1000))
    mkdir -p /run/systemd/system/bpfport.service.d
    printf '[Service]\nWatchdogSec=%s\n' "$seconds" >/run/systemd/system/bpfport.service.d/watchdog.conf
    systemctl daemon-reload
    systemctl restart bpfport.service
    sleep $((seconds * 3 / 2))
    [[ $(property bpfport.service NRestarts) == 0 ]] || return 1
    systemctl kill -s STOP bpfport.service
    time=$(within 30000 served_by_another) && ask 80 && tell "stopped, serve was started again after $time ms"
}

serve() {
    tell "STATUS=$(property bpfport.service StatusText), $(property bpfport.service MemoryCurrent) bytes of memory"
    expect "the journal has its fields" journal '"BPFPORT_EVENT":"waiting"'
    expect "after a reload, what is new in the files is in force" reload
    expect "a wrong file changes nothing" wrong_file
    expect "the watchdog" watchdog
    restarts
    expect "with apply in ExecStartPre the unit binds its port at once" before_start
    systemctl stop bpfport.service
    expect "serve is stopped, port 80 is answered" ask 80
    systemctl start bpfport.service
}
