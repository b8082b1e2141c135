. tests/programs/common/dns.bash
packages=(unbound bind9-dnsutils)
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
