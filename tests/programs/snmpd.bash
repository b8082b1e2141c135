packages=(snmpd snmp)
rule=161:1161/udp
expected='service.test'
serve() {
    printf 'agentaddress udp:1161,udp6:1161\nrocommunity public\nrocommunity6 public\nsysName service.test\n' >/tmp/snmpd.conf
    exec snmpd -f -Lo -C -c /tmp/snmpd.conf
}
ask() { snmpget -v2c -c public -t 3 -r 2 "udp$([[ $1 != *:* ]] || echo 6):$url_host:$2" 1.3.6.1.2.1.1.5.0; }
