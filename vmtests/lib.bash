# shellcheck shell=bash
# shellcheck disable=SC2034 # used where this is sourced
# What the scripts of vmtests/ share: where things are, how they speak, how kernels.txt is read.

vmtests=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
repository=$(dirname "$vmtests")
# Kernels and the answer to "does KVM work here" outlive a build directory.
cache=${XDG_CACHE_HOME:-${HOME:-$repository/build}/.cache}/bpfport-vmtests

say() { echo "vmtests: $1" >&2; }

# die STATUS MESSAGE [HINT]: as the tool itself speaks: what failed, then what to do about it.
die() {
    echo "vmtests: $2" >&2
    [[ -z ${3:-} ]] || echo "hint: $3" >&2
    exit "$1"
}

# kernel_names [ARCHITECTURE]
kernel_names() { awk -v only="${1:-}" '!/^ *(#|$)/ && (only == "" || $5 == only) { print $1 }' "$vmtests/kernels.txt"; }

# kernel_entry NAME: its line of kernels.txt without the name.
kernel_entry() {
    local entry
    entry=$(awk -v name="$1" '!/^ *#/ && $1 == name { $1 = ""; print }' "$vmtests/kernels.txt")
    [[ -n $entry ]] || die 2 "no kernel '$1' in kernels.txt" "known: $(kernel_names | tr '\n' ' ')"
    echo "$entry"
}

# This machine's architecture; as Debian names it, like all here.
host_architecture=$(dpkg --print-architecture)

# triplet ARCHITECTURE: what its libraries' directories are called.
triplet() {
    case $1 in
        amd64) echo x86_64-linux-gnu ;;
        arm64) echo aarch64-linux-gnu ;;
        *) echo "$1-linux-gnu" ;;
    esac
}
