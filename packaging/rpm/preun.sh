# As packaging/debian/prerm. $1: 0 at a removal, 1 at an upgrade.
if [ "$1" -eq 0 ]; then
    if [ -d /run/systemd/system ]; then
        for unit in bpfport.service bpfport-exporter.service bpfport-apply.service; do
            systemctl --quiet disable --now "$unit" 2>/dev/null || :
        done
    fi
    if [ -d /sys/fs/bpf/bpfport ]; then
        if /usr/sbin/bpfport detach --all; then
            rmdir /sys/fs/bpf/bpfport || :
        else
            echo "bpfport: rules are still in force until a reboot" >&2
        fi
    fi
fi
