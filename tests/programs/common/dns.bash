# The client of a DNS server, which it asks by UDP, then by TCP; the zone that it asks for.
rule=53:5300/tcp+udp
expected=$'^192.0.2.80\n192.0.2.80$'
write_zone() {
    printf '@ 60 SOA ns.test. me.test. 1 60 60 60 60\n@ 60 NS ns.test.\nns 60 A 192.0.2.1\nservice 60 A 192.0.2.80\n' >/tmp/zone
}
ask() {
    dig +time=2 +tries=3 +short @"$1" -p "$2" service.test A
    dig +tcp +time=5 +tries=1 +short @"$1" -p "$2" service.test A
}
