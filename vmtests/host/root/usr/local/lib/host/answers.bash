# shellcheck shell=bash
. /usr/local/lib/host/host.bash
until ask 80; do
    sleep 0.05
done
uptime_ms >/run/answered
