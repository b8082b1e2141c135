# A transparent proxy: it asks getsockopt(SO_ORIGINAL_DST) where each client wanted to go, and here says the port that it was told.
packages=(squid curl)
rule=80:3129
options=(--original-dst)
expected='^80$'
serve() {
    cat >/tmp/squid.conf <<'C'
http_port 3129 intercept
http_port 3128
http_access deny all
reply_header_add X-Port "%>lp"
pid_filename /tmp/pid
cache_log /dev/stderr
access_log none
visible_hostname service.test
C
    exec squid -N -f /tmp/squid.conf
}
# Not by the intercepting port: a connection whose destination squid is not told ends that listener (5.7).
up() { curl -s -m 10 "http://$url_host:3128/"; }
ask() { curl -sS -m 10 -o /dev/null -D - "http://$url_host:$2/" | tr -d '\r' | sed -n 's/^X-Port: //p'; }
