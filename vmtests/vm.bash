# shellcheck shell=bash
# shellcheck disable=SC2154 # $cache is lib.bash's
# Boots a kernel under QEMU with an initramfs: under KVM where that works, else under TCG, which works everywhere.

# virtual_machine ACCEL SECONDS KERNEL INITRD CONSOLE PIDFILE: the guest's second serial line on stdout, its first, the
# kernel's console, into the file CONSOLE. Fails with 124 when it takes longer.
virtual_machine() {
    # loglevel=5: warnings reach the console, so that a splat is on record even if the guest dies of it.
    # oops=panic, panic=-1: what an oops leaves locked would only make the rest hang; -no-reboot ends QEMU then.
    # The watchdogs are told to be patient: under TCG on a busy host a vCPU may wait seconds for its turn.
    timeout --foreground -k 5 "$2" qemu-system-x86_64 -accel "$1" -cpu max -smp 2 -m 2048 -pidfile "$6" \
        -nodefaults -no-user-config -display none -nic none -no-reboot \
        -serial "file:$5" -chardev stdio,id=out,signal=off -serial chardev:out \
        -kernel "$3" -initrd "$4" -append "console=ttyS0,115200 loglevel=5 printk.time=1 oops=panic panic=-1 \
rcupdate.rcu_cpu_stall_timeout=120 watchdog_thresh=60 random.trust_cpu=on rdinit=/init" </dev/null
}

# kvm_works KERNEL: whether a guest reaches its init within ten seconds. /dev/kvm alone says little: where
# virtualisation is itself virtual, a guest may hang at its first instruction.
kvm_works() {
    local try
    try=$(mktemp -d "${TMPDIR:-/tmp}/vmtests-kvm.XXXXXX")
    mkdir -p "$try/root/dev" "$try/root/bin"
    cp /usr/bin/busybox "$try/root/bin"
    printf '#!/bin/busybox sh\nbusybox mount -t devtmpfs dev /dev\necho init >/dev/ttyS1\nbusybox reboot -f\n' >"$try/root/init"
    chmod 755 "$try/root/init"
    (cd "$try/root" && find . | busybox cpio -o -H newc 2>/dev/null) >"$try/initrd"
    virtual_machine kvm 10 "$1" "$try/initrd" "$try/console" "$try/pid" >"$try/out" 2>/dev/null || true
    local result=1
    ! grep -q init "$try/out" || result=0
    rm -rf "$try"
    return "$result"
}

# accelerator KERNEL: kvm or tcg. The answer to the experiment is kept until the host's kernel or QEMU changes.
accelerator() {
    if [[ ! -r /dev/kvm || ! -w /dev/kvm ]]; then
        echo tcg
        return
    fi
    local host known answer=tcg
    host="$(uname -r) $(qemu-system-x86_64 --version | head -n 1)"
    known=$(cat "$cache/accelerator" 2>/dev/null || true)
    if [[ ${known#* } == "$host" ]]; then
        echo "${known%% *}"
        return
    fi
    say "trying KVM, for ten seconds at most"
    ! kvm_works "$1" || answer=kvm
    mkdir -p "$cache"
    echo "$answer $host" >"$cache/accelerator"
    echo "$answer"
}
