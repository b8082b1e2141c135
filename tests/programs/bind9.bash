# Asked by UDP, then by TCP.
packages=(bind9 bind9-dnsutils)
rule=53:5300/tcp+udp
expected=$'^192.0.2.80\n192.0.2.80$'
serve() {
    printf "@ 60 SOA ns.test. me.test. 1 60 60 60 60\n@ 60 NS ns.test.\nns 60 A 192.0.2.1\nservice 60 A 192.0.2.80\n" >/tmp/zone
    cat >/tmp/named.conf <<'C'
options { directory "/tmp"; listen-on port 5300 { any; }; listen-on-v6 port 5300 { any; }; recursion no; pid-file none; session-keyfile none; };
controls { };
zone "test" { type primary; file "/tmp/zone"; };
C
    exec named -g -c /tmp/named.conf
}
ask() { dig +time=2 +tries=3 +short @"$1" -p "$2" service.test A; dig +tcp +time=5 +tries=1 +short @"$1" -p "$2" service.test A; }
