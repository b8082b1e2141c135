# Mail submission: STARTTLS on one port, TLS from the first byte on the other, which Exim knows by the port.
packages=(exim4-daemon-light openssl)
rule=465:4465
expected='220 service.test ESMTP'
serve() {
    cd /tmp
    openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -subj /CN=service.test -days 2 2>/dev/null
    chmod 644 key
    install -d -o Debian-exim /tmp/spool
    cat >/tmp/exim.conf <<'C'
primary_hostname = service.test
daemon_smtp_ports = 2525 : 4465
tls_on_connect_ports = 4465
tls_advertise_hosts = *
tls_certificate = /tmp/cert
tls_privatekey = /tmp/key
spool_directory = /tmp/spool
log_file_path = /tmp/spool/%slog
pid_file_path = /tmp/spool/pid
host_lookup =
C
    chown root /tmp/exim.conf
    exec exim4 -C /tmp/exim.conf -bdf
}
ask() { (sleep 1; echo QUIT; sleep 1) | timeout 10 openssl s_client -quiet -connect "$url_host:$2"; }
