# shellcheck shell=bash
# The package upgraded while serve runs and clients ask: its postinst starts serve again as the new version.

pins() { (cd /sys/fs/bpf && find . -mindepth 2 -printf '%i %p\n' | sort); }
version() { dpkg-query -W -f '${db:Status-Abbrev}${Version}' bpfport; }
install() { dpkg -i "/root/$1.deb" >/run/dpkg 2>&1; }
unchanged() { [[ $(pins) == "$(cat /run/pins)" ]] && ask 80 && /usr/sbin/bpfport status | grep -q 80:3000; }

# upgraded PID: by this version's serve, another process than before.
upgraded() {
    [[ $(version) == 'ii 0.0.2' ]] && within 5000 is_active >/dev/null && [[ $(property bpfport.service MainPID) != "$1" ]] &&
        unchanged
}

# Ask until /run/enough is there.
clients() {
    local asked=0 failed=0
    until [[ -e /run/enough ]]; do
        asked=$((asked + 1))
        ask 80 || failed=$((failed + 1))
    done
    echo "$asked $failed" >/run/counted
}

# killed MILLISECONDS: dpkg and what it has started, so long after it began. Fails when it had ended.
killed() {
    setsid dpkg -i /root/next.deb >/dev/null 2>&1 &
    sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"
    kill -KILL -- "-$!" 2>/dev/null
    local result=$?
    wait "$!" 2>/dev/null
    return "$result"
}

upgrades() { # MOST: so many kills
    local unit begin whole kill client asked failures main kills=0 failed=0
    for unit in bpfport bpfport-exporter; do # are started more often than systemd allows else
        mkdir -p "/run/systemd/system/$unit.service.d"
        printf '[Unit]\nStartLimitIntervalSec=0\n' >"/run/systemd/system/$unit.service.d/upgrades.conf"
    done
    systemctl daemon-reload
    pins >/run/pins
    rm -f /run/enough
    clients &
    client=$!
    main=$(property bpfport.service MainPID) begin=$(uptime_ms)
    install next && whole=$(($(uptime_ms) - begin)) && upgraded "$main" || failed=1
    for ((kill = 1; kill <= $1 && !failed; kill++)); do
        install bpfport || failed=1
        main=$(property bpfport.service MainPID)
        killed $((whole * kill / ($1 + 1))) && kills=$((kills + 1))
        unchanged || failed=1
        dpkg --configure -a >/dev/null 2>&1 || true
        install next && upgraded "$main" || failed=1
        ((!failed)) || tell "killed $((whole * kill / ($1 + 1))) ms after its start: $(version), $(cat /run/dpkg)"
    done
    touch /run/enough
    wait "$client"
    read -r asked failures </run/counted
    tell "an upgrade takes $whole ms; of $asked requests during it and $kills that were killed, $failures had no answer"
    ((!failed && failures == 0 && kills > 0))
}
