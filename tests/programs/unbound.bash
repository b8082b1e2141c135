# Asked by UDP, then by TCP.
packages=(unbound bind9-dnsutils)
rule=53:5300/tcp+udp
expected=$'^192.0.2.80\n192.0.2.80$'
serve() {
    cat >/tmp/unbound.conf <<'C'
server:
  interface: 0.0.0.0
  interface: ::0
  port: 5300
  access-control: 0.0.0.0/0 allow
  access-control: ::0/0 allow
  local-zone: "test." static
  local-data: "service.test. A 192.0.2.80"
  chroot: ""
  pidfile: ""
  use-syslog: no
remote-control:
  control-enable: no
C
    exec unbound -d -c /tmp/unbound.conf
}
ask() { dig +time=2 +tries=3 +short @"$1" -p "$2" service.test A; dig +tcp +time=5 +tries=1 +short @"$1" -p "$2" service.test A; }
