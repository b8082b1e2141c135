# shellcheck shell=bash
# The host, looked at from within once it has started; the exit status says what is found.
set -uo pipefail
. /usr/local/lib/host/host.bash
. /usr/local/lib/host/serve.bash
. /usr/local/lib/host/upgrade.bash

boot=1 rounds=$1 usual=1000 patience=5000 # the longest: others take the CPUs
until [[ $(systemctl is-system-running --wait 2>/dev/null) == @(running|degraded) ]]; do
    sleep 0.1
done
tell "$(systemctl --version | head -n 1)"
expect "all three are active" active bpfport-apply.service bpfport.service bpfport-exporter.service
exposure
serve
expect "the package is upgraded, also after kills on the way, and every client answered" upgrades 2
expect "port 80 is answered" ask 80
expect "no unit has failed" test -z "$(systemctl --failed --no-legend)"
((wrongs == 0)) || journalctl -b --no-pager -o short-monotonic -u 'bpfport*'
systemctl exit $((wrongs > 0))
