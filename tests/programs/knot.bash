. tests/programs/common/dns.bash
packages=(knot bind9-dnsutils)
serve() {
    write_zone
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
