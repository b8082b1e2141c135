# Passive, then active, whose connection comes from the control connection's port less one.
packages=(proftpd-core curl openssl)
rule=21:2121
expected=$'^the file\nthe file$'
serve() {
    install -d /tmp/ftp /tmp/etc /run/proftpd
    echo 'the file' >/tmp/ftp/file
    echo "user:$(openssl passwd -6 secret):65534:65534::/tmp/ftp:/bin/sh" >/tmp/etc/users
    chmod 600 /tmp/etc/users
    cat >/tmp/proftpd.conf <<'C'
ServerType standalone
DefaultServer on
Port 2121
UseIPv6 on
User nobody
Group nogroup
PidFile /tmp/etc/pid
ScoreboardFile /tmp/etc/scores
DelayEngine off
WtmpLog off
UseReverseDNS off
SystemLog /tmp/etc/log
TransferLog none
RequireValidShell off
AuthOrder mod_auth_file.c
AuthUserFile /tmp/etc/users
C
    exec proftpd -n -d 2 -c /tmp/proftpd.conf
}
ask() {
    curl -sS -m 10 -u user:secret "ftp://$url_host:$2/file"
    curl -sS -m 10 -P - -u user:secret "ftp://$url_host:$2/file"
}
