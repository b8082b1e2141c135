# shellcheck shell=bash
# shellcheck disable=SC2154 # $cache and $host_architecture are lib.bash's
# Boots a kernel under QEMU: under KVM where that works, else under TCG, which works everywhere.

# emulator ARCHITECTURE: the QEMU for it.
emulator() {
    case $1 in
        amd64) echo qemu-system-x86_64 ;;
        arm64) echo qemu-system-aarch64 ;;
        *) echo "qemu-system-$1" ;;
    esac
}

# machine ARCHITECTURE ACCEL SECONDS CONSOLE PIDFILE PARAMETERS QEMU-OPTION…: the guest's second serial line on stdout, its
# first, the kernel's console, into the file CONSOLE. Fails with 124 when it takes longer. PARAMETERS are the kernel's;
# among those that are added is "line", the second line's name.
machine() {
    local options console line emulated='' accelerator=$2
    options=(-chardev "file,id=console,path=$4" -chardev stdio,id=out,signal=off)
    case $1 in
        amd64)
            console=ttyS0,115200 line=ttyS1
            options+=(-serial chardev:console -serial chardev:out)
            if [[ $2 == kvm ]]; then
                options+=(-cpu max)
            else
                # Without instructions that copy byte by byte when emulated (112: rep_good), and what makes the walk of the page
                # tables longer.
                options+=(-cpu max,-erms,-fsrm,-la57,-smap,-pku)
                # no_timer_check: that interrupts of the timer come late is no reason to panic. Not tsc=reliable: on a busy
                # host the kernel may take the TSC's frequency from the PIT, and its clock then ran nine times too fast.
                emulated='clearcpuid=112 no_timer_check mitigations=off'
            fi
            ;;
        arm64) # pauth-impdef: pointers are signed with a hash that costs an emulator little
            console=ttyAMA0 line=hvc0
            options+=(-machine virt -cpu "max$([[ $2 == kvm ]] || echo ,pauth-impdef=on)" -serial chardev:console
                -device virtio-serial-pci -device virtconsole,chardev=out)
            ;;
        s390x)
            console=ttysclp0 line=hvc0
            options+=(-machine s390-ccw-virtio -cpu max -device sclpconsole,chardev=console
                -device virtio-serial-ccw -device virtconsole,chardev=out)
            ;;
    esac
    # loglevel=5: warnings reach the console, so that a splat is on record even if the guest dies of it.
    # oops=panic, panic=-1: what an oops leaves locked would only make the rest hang; -no-reboot ends QEMU then.
    # The watchdogs are told to be patient: under TCG on a busy host a vCPU may wait seconds for its turn.
    # thread=single: with a thread for each vCPU one may run an int3 that the kernel has just replaced, since TCG keeps what it has
    # translated (QEMU 7.2; a guest with 6.12 died of it). It takes less CPU time, too.
    [[ $2 != tcg ]] || accelerator=tcg,thread=single
    timeout --foreground -k 5 "$3" "$(emulator "$1")" -accel "$accelerator" -smp 2 -m 2048 -pidfile "$5" \
        -nodefaults -no-user-config -display none -no-reboot "${options[@]}" "${@:7}" \
        -append "console=$console loglevel=5 printk.time=1 oops=panic panic=-1 rcupdate.rcu_cpu_stall_timeout=120 \
watchdog_thresh=60 random.trust_cpu=on $emulated line=$line $6" </dev/null
}

# virtual_machine ARCHITECTURE ACCEL SECONDS KERNEL INITRD CONSOLE PIDFILE: a machine whose root is the initramfs, without a
# network device.
virtual_machine() { machine "$1" "$2" "$3" "$6" "$7" rdinit=/init -kernel "$4" -initrd "$5" -nic none; }

# kvm_works KERNEL: whether a guest reaches its init within ten seconds. /dev/kvm alone says little: where
# virtualisation is itself virtual, a guest may hang at its first instruction.
kvm_works() {
    local try
    try=$(mktemp -d "${TMPDIR:-/tmp}/vmtests-kvm.XXXXXX")
    mkdir -p "$try/root/dev" "$try/root/bin"
    cp /usr/bin/busybox "$try/root/bin"
    printf '#!/bin/busybox sh\nbusybox mount -t devtmpfs dev /dev\necho init >/dev/$line\nbusybox reboot -f\n' >"$try/root/init"
    chmod 755 "$try/root/init"
    (cd "$try/root" && find . | busybox cpio -o -H newc 2>/dev/null) >"$try/initrd"
    virtual_machine "$host_architecture" kvm 10 "$1" "$try/initrd" "$try/console" "$try/pid" >"$try/out" 2>/dev/null || true
    local result=1
    ! grep -q init "$try/out" || result=0
    rm -rf "$try"
    return "$result"
}

# accelerator ARCHITECTURE KERNEL: kvm or tcg. The answer to the experiment is kept until the host's kernel or QEMU changes.
accelerator() {
    if [[ $1 != "$host_architecture" || ! -r /dev/kvm || ! -w /dev/kvm ]]; then
        echo tcg
        return
    fi
    local host known answer=tcg
    host="$(uname -r) $(dpkg-query -W -f '${Version}' qemu-system-common)"
    known=$(cat "$cache/accelerator" 2>/dev/null || true)
    if [[ ${known#* } == "$host" ]]; then
        echo "${known%% *}"
        return
    fi
    say "trying KVM, for ten seconds at most"
    ! kvm_works "$2" || answer=kvm
    mkdir -p "$cache"
    echo "$answer $host" >"$cache/accelerator"
    echo "$answer"
}
