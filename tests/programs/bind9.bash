. tests/programs/common/dns.bash
packages=(bind9 bind9-dnsutils)
serve() {
    write_zone
    cat >/tmp/named.conf <<'C'
options { directory "/tmp"; listen-on port 5300 { any; }; listen-on-v6 port 5300 { any; }; recursion no; pid-file none; session-keyfile none; };
controls { };
zone "test" { type primary; file "/tmp/zone"; };
C
    exec named -g -c /tmp/named.conf
}
