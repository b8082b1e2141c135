# As packaging/debian/postinst. $1: 1 at the first installation, 2 at an upgrade.
if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload || :
    if [ "$1" -gt 1 ]; then
        for unit in bpfport.service bpfport-exporter.service; do
            systemctl --quiet is-active "$unit" && systemctl restart "$unit" || :
        done
    fi
fi
