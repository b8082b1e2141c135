packages=(squid curl)
rule=80:3128
expected='squid'
serve() {
    printf 'http_port 3128\nhttp_access allow all\npid_filename /tmp/pid\ncache_log /dev/stderr\naccess_log none\nvisible_hostname service.test\n' >/tmp/squid.conf
    exec squid -N -f /tmp/squid.conf
}
ask() { curl -sS -m 10 -I -x "http://$url_host:$2" http://192.0.2.1:9/ | grep -i '^server: squid'; }
