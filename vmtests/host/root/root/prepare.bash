# shellcheck shell=bash
# Run in the root before it becomes a disk.
set -euo pipefail
echo "/dev/vda / ext4 rw 0 1" >/etc/fstab
echo host >/etc/hostname
: >/etc/machine-id
mkdir -p /srv/www
echo reached >/srv/www/index.html
systemctl -q set-default multi-user.target
systemctl -q enable systemd-networkd web answers host bpfport-apply bpfport-exporter
