#!/usr/bin/env bash
# usage: tests/install.sh BUILD: installs BUILD below a temporary DESTDIR and compares what is there with the list below.
set -euo pipefail
build=$(realpath "$1")
cd "$(dirname "$0")/.."
[[ -x $build/user/bpfport && -e $build/manual.stamp ]] || {
    echo "install: $build has no bpfport or no man pages yet"
    exit 77
}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

DESTDIR=$root cmake --install "$build" --prefix /usr >/dev/null
mapfile -t commands < <("$build/user/bpfport" --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z-]*\) .*/\1/p')
sort >"$root/expected" <<LIST
/usr/lib/systemd/system/bpfport-apply.service 644
/usr/sbin/bpfport 755
$(printf '/usr/share/man/man8/bpfport-%s.8 644\n' "${commands[@]}")
/usr/share/man/man7/bpfport.7 644
/usr/share/man/man8/bpfport.8 644
/usr/share/bash-completion/completions/bpfport 644
/usr/share/fish/vendor_completions.d/bpfport.fish 644
/usr/share/zsh/vendor-completions/_bpfport 644
/usr/share/bpfport/grafana/bpfport.json 644
/usr/share/bpfport/oci/README.md 644
/usr/share/bpfport/oci/bpfport.json 644
/usr/share/bpfport/policy.schema.json 644
/usr/share/bpfport/prometheus/bpfport.rules.yml 644
/usr/share/doc/bpfport/CHANGELOG.md 644
/usr/share/doc/bpfport/LICENSE 644
/usr/share/doc/bpfport/README.md 644
$(printf '/usr/share/doc/bpfport/%s 644\n' docs/*.md docs/*.svg)
LIST
(cd "$root" && find usr ! -type d -printf '/%p %m\n' | sort) >"$root/found"
diff -u "$root/expected" "$root/found" || {
    echo "install: - is missing, + is not expected"
    exit 1
}
# The hook's example names the program where it is installed.
hook=$(sed -n 's/.*"path": "\(.*\)".*/\1/p' "$root/usr/share/bpfport/oci/bpfport.json")
"$root$hook" --version

# So does the unit, in which systemd finds no mistake, and nothing to restrict but what its comments explain.
unit=$root/usr/lib/systemd/system/bpfport-apply.service
command=$(sed -n 's/^ExecStart=\([^ ]*\) .*/\1/p' "$unit")
"$root$command" --version
command -v systemd-analyze >/dev/null || {
    echo "install: no systemd-analyze: the unit is not checked"
    exit 0
}
sed "s|=$command |=$root$command |" "$unit" >"$root/bpfport-apply.service"
said=$(systemd-analyze verify "$root/bpfport-apply.service" 2>&1 | grep bpfport-apply || true)
[[ -z $said ]] || {
    echo "install: $said"
    exit 1
}
most_exposed=27 # tenths
systemd-analyze security --offline=true --threshold=$most_exposed --no-pager "$root/bpfport-apply.service" >"$root/security" || {
    cat "$root/security"
    exit 1
}
