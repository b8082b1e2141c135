# HAProxy asks getsockopt(SO_ORIGINAL_DST) of IPv4 clients only; its IPv6 listener says its own port.
packages=(haproxy curl)
rule=80:3000
options=(--original-dst)
expected='^the site (80|v6)$'
serve() {
    cat >/tmp/haproxy.cfg <<'C'
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 10s
frontend site
  bind 0.0.0.0:3000
  http-request return status 200 content-type text/plain lf-string "the site %[dst_port]"
frontend site6
  bind :::3000 v6only
  http-request return status 200 content-type text/plain string "the site v6"
C
    exec haproxy -db -f /tmp/haproxy.cfg
}
up() { curl -s -m 10 "http://$url_host:$2/"; }
ask() { curl -sS -m 10 "http://$url_host:$2/"; }
