. tests/programs/common/http.bash
packages=(haproxy curl)
rule=80:3000
expected='^the site 3000$'
serve() {
    cat >/tmp/haproxy.cfg <<'C'
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 10s
frontend site
  bind :::3000 v4v6
  http-request return status 200 content-type text/plain lf-string "the site %[dst_port]"
C
    exec haproxy -db -f /tmp/haproxy.cfg
}
