#!/usr/bin/env bash
# usage: tests/install.sh BUILD: installs BUILD below a temporary DESTDIR and compares what is there with the list below.
set -euo pipefail
build=$(realpath "$1")
cd "$(dirname "$0")/.."
[[ -x $build/user/bpfport && -e $build/manual.stamp ]] || {
    echo "install: $build has no bpfport or no man pages yet"
    exit 77
}
# Units, and what systemd-analyze may find in each, in tenths.
declare -A most_exposed=([bpfport-apply]=27 [bpfport]=27 [bpfport-exporter]=19)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

DESTDIR=$root cmake --install "$build" --prefix /usr >/dev/null
mapfile -t commands < <("$build/user/bpfport" --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z-]*\) .*/\1/p')
sort >"$root/expected" <<LIST
$(printf '/usr/lib/systemd/system/%s.service 644\n' "${!most_exposed[@]}")
/usr/sbin/bpfport 755
$(printf '/usr/share/man/man8/bpfport-%s.8 644\n' "${commands[@]}")
/usr/share/man/man7/bpfport.7 644
/usr/share/man/man8/bpfport.8 644
/usr/share/bash-completion/completions/bpfport 644
/usr/share/fish/vendor_completions.d/bpfport.fish 644
/usr/share/zsh/site-functions/_bpfport 644
/usr/share/bpfport/grafana/bpfport.json 644
/usr/share/bpfport/oci/README.md 644
/usr/share/bpfport/oci/bpfport.json 644
/usr/share/bpfport/policy.schema.json 644
/usr/share/bpfport/policy.toml 644
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

# So do the units, in which systemd finds no mistake, and nothing to restrict but what their comments explain.
status=0
for name in "${!most_exposed[@]}"; do
    unit=$root/usr/lib/systemd/system/$name.service
    command=$(sed -n 's/^ExecStart=\([^ ]*\) .*/\1/p' "$unit")
    "$root$command" --version
    command -v systemd-analyze >/dev/null || {
        echo "install: no systemd-analyze: $name.service is not checked"
        continue
    }
    sed "s|=$command |=$root$command |" "$unit" >"$root/$name.service"
    said=$(MANPATH=$root/usr/share/man systemd-analyze verify "$root/$name.service" 2>&1 | grep "$name" || true)
    [[ -z $said ]] || {
        echo "install: $said"
        status=1
    }
    systemd-analyze security --offline=true --threshold="${most_exposed[$name]}" --no-pager "$root/$name.service" >"$root/security" || {
        cat "$root/security"
        status=1
    }
done

# The policy of the packages has no rule; what it has as comments is one without an error.
"$root/usr/sbin/bpfport" check "$root/usr/share/bpfport/policy.toml" | grep -qx 'no errors: 1 file, 0 rules, 0 grants' || status=1
sed 's/^#\([^ ]\)/\1/' "$root/usr/share/bpfport/policy.toml" >"$root/policy.toml"
"$root/usr/sbin/bpfport" check "$root/policy.toml" | grep -qx 'no errors: 1 file, [1-9] rules, [1-9] grants*' || {
    "$root/usr/sbin/bpfport" check "$root/policy.toml" || true
    status=1
}
exit "$status"
