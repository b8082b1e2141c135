packages=(slapd ldap-utils)
rule=389:3890
expected='dc=test'
serve() {
    install -d /tmp/ldap
    printf 'include /etc/ldap/schema/core.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\ndatabase mdb\nsuffix "dc=test"\ndirectory /tmp/ldap\n' >/tmp/slapd.conf
    exec slapd -d 0 -f /tmp/slapd.conf -h ldap://:3890/
}
ask() { ldapsearch -x -LLL -o nettimeout=5 -H "ldap://$url_host:$2" -s base -b '' namingContexts; }
