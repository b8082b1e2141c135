#!/usr/bin/env bash
# usage: tests/deployment.sh BUILD: packaging/kubernetes and packaging/ansible are read as YAML, their policies have no error, and
# the containers' commands run with the capabilities, the files and the read-only mounts that the DaemonSet gives them, in a network
# namespace of their own. No cluster is needed; none is tried. Exit status 77: can't be run here.
set -euo pipefail
build=$(realpath "$1")
cd "$(dirname "$0")/.."
skip() {
    echo "deployment: skipped: $*"
    exit 77
}
[[ -x $build/user/bpfport ]] || skip "$build has no bpfport yet"
python3 -c 'import yaml' 2>/dev/null || skip "no YAML for Python (Debian: python3-yaml)"

files=$(mktemp -d)
trap 'rm -rf "$files"' EXIT
python3 - "$files" <<'PYTHON'
import pathlib, sys, yaml
files = pathlib.Path(sys.argv[1])
documents = {d["kind"]: d for d in yaml.safe_load_all(open("packaging/kubernetes/bpfport.yaml"))}
# As the kubelet mounts a ConfigMap.
mounted = files / "kubernetes"
(mounted / "..1").mkdir(parents=True)
(mounted / "..data").symlink_to("..1")
for name, text in documents["ConfigMap"]["data"].items():
    (mounted / "..1" / name).write_text(text)
    (mounted / name).symlink_to(f"..data/{name}")
pod = documents["DaemonSet"]["spec"]["template"]["spec"]
for container in pod["initContainers"] + pod["containers"]:
    security = container["securityContext"]
    assert security["capabilities"]["drop"] == ["ALL"] and not security["allowPrivilegeEscalation"]
    capabilities = ["-all"] + ["+" + name.lower() for name in security["capabilities"]["add"]]
    (files / f"{container['name']}.capabilities").write_text(",".join(capabilities))
    (files / f"{container['name']}.args").write_text("".join(a + "\n" for a in container["args"]))
    assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in pod["volumes"]}
(play,) = yaml.safe_load(open("packaging/ansible/bpfport.yml"))
(files / "ansible.toml").write_text(play["vars"]["policy"])
PYTHON
"$build/user/bpfport" check "$files/kubernetes"
"$build/user/bpfport" check "$files/ansible.toml"
if command -v ansible-playbook >/dev/null; then
    ansible-playbook --syntax-check -e package=x packaging/ansible/bpfport.yml
else
    echo "deployment: no ansible-playbook: the playbook's tasks are not checked"
fi

[[ $(id -u) == 0 ]] || skip "the rest needs root"
command -v setpriv >/dev/null || skip "no setpriv"
mountpoint -q /sys/fs/bpf || skip "no BPF file system on /sys/fs/bpf"
cat >"$files/pod.bash" <<'BASH'
set -euo pipefail
bpfport=$1 files=$2 state=/sys/fs/bpf/bp-test-deployment-$$
trap '"$bpfport" --state "$state" detach --all; rmdir "$state"' EXIT
contained() { # CONTAINER
    local args
    mapfile -t args <"$files/$1.args"
    exec setpriv --bounding-set "$(cat "$files/$1.capabilities")" --inh-caps "$(cat "$files/$1.capabilities")" --no-new-privs \
        "$bpfport" --state "$state" "${args[@]}"
}
ip link set lo up
ip link add eth0 type veth peer name eth1
ip address add 192.0.2.1/24 dev eth0
ip link set eth0 up
# The kubelet's mounts: the policy, and cgroups that can't be written. The machine's /etc stays as it is.
cp -a /etc "$files/etc"
mkdir -p "$files/etc/bpfport"
mount --bind "$files/etc" /etc
mount --bind "$files/kubernetes" /etc/bpfport
mount -o remount,bind,ro /sys/fs/cgroup
(contained apply)
status=$("$bpfport" --state "$state" status)
[[ $status == *80:3000* && $status == *443:8443* ]] || { echo "$status"; exit 1; }
(contained exporter) &
for _ in {1..50}; do
    metrics=$(curl -s http://127.0.0.1:9880/metrics) && break
    sleep 0.1
done
kill "$!"
grep -q '^bpfport_up 1' <<<"$metrics" && grep -q 'rule="443:8443"' <<<"$metrics" || { echo "$metrics"; exit 1; }
BASH
unshare -nm --propagation private bash "$files/pod.bash" "$build/user/bpfport" "$files"
