# Asked by UDP, then by TCP.
packages=(knot bind9-dnsutils)
rule=53:5300/tcp+udp
expected=$'^192.0.2.80\n192.0.2.80$'
serve() {
    printf "@ 60 SOA ns.test. me.test. 1 60 60 60 60\n@ 60 NS ns.test.\nns 60 A 192.0.2.1\nservice 60 A 192.0.2.80\n" >/tmp/zone
    mkdir -p /tmp/knot
    cat >/tmp/knot.conf <<'C'
server:
  listen: [ 0.0.0.0@5300, "::@5300" ]
  rundir: /tmp/knot
database:
  storage: /tmp/knot
zone:
  - domain: test
    file: /tmp/zone
    zonefile-sync: -1
    journal-content: none
C
    exec knotd -c /tmp/knot.conf
}
ask() { dig +time=2 +tries=3 +short @"$1" -p "$2" service.test A; dig +tcp +time=5 +tries=1 +short @"$1" -p "$2" service.test A; }
