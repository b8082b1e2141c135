# Passive, then active.
packages=(vsftpd curl)
rule=21:2121
expected=$'^the file\nthe file$'
serve() {
    install -d /tmp/ftp /run/vsftpd/empty
    echo 'the file' >/tmp/ftp/file
    printf '%s\n' listen=NO listen_ipv6=YES listen_port=2121 anonymous_enable=YES anon_root=/tmp/ftp background=NO seccomp_sandbox=NO \
        ftp_data_port=2120 connect_from_port_20=NO >/tmp/vsftpd.conf
    exec vsftpd /tmp/vsftpd.conf
}
ask() {
    curl -sS -m 10 "ftp://$url_host:$2/file"
    curl -sS -m 10 -P - "ftp://$url_host:$2/file"
}
