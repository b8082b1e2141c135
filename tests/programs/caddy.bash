. tests/programs/common/http.bash
packages=(caddy curl)
rule=80:3000
expected='^the site$'
serve() {
    export HOME=/tmp
    printf '{\n admin off\n http_port 3000\n}\nhttp:// {\n respond "the site"\n}\n' >/tmp/Caddyfile
    exec caddy run --config /tmp/Caddyfile --adapter caddyfile
}
