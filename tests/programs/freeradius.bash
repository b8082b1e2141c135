packages=(freeradius freeradius-utils)
rule=1812:11812/udp
expected='Access-Accept'
serve() {
    cd /etc/freeradius/3.0
    printf 'user Cleartext-Password := "secret"\n' >mods-config/files/authorize
    # Authentication and accounting of both families: 11812 and 11813.
    perl -0pi -e 's/port = 0(\s+type = acct)/port = 11813$1/g; s/port = 0/port = 11812/g' sites-enabled/default
    printf 'client four { ipaddr = 0.0.0.0/0\n secret = testing }\nclient six { ipv6addr = ::/0\n secret = testing }\n' >clients.conf
    install -d -o freerad /run/freeradius
    exec freeradius -f -l stdout
}
ask() { radtest -x user secret "$url_host:$2" 0 testing; }
