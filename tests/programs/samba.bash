packages=(samba smbclient)
rule=445:4450
expected='file'
serve() {
    install -d -m 777 /tmp/share /tmp/samba /run/samba
    echo hello >/tmp/share/file
    cat >/tmp/smb.conf <<'C'
[global]
  smb ports = 4450
  map to guest = Bad User
  guest account = nobody
  server role = standalone server
  lock directory = /tmp/samba
  state directory = /tmp/samba
  cache directory = /tmp/samba
  private dir = /tmp/samba
  pid directory = /tmp/samba
  log file = /tmp/samba/log
[share]
  path = /tmp/share
  guest ok = yes
C
    exec smbd -F --no-process-group -s /tmp/smb.conf
}
ask() { timeout 10 smbclient -s /dev/null -N -p "$2" "//$1/share" -c ls; }
