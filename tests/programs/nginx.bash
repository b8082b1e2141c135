. tests/programs/common/http.bash
packages=(nginx-light curl)
rule=80:3000
expected='^the site 3000$'
serve() {
    echo 'daemon off; worker_processes 1; pid /tmp/pid; error_log stderr; events {}
        http { access_log off; server { listen [::]:3000 ipv6only=off; location / { return 200 "the site $server_port"; } } }' >/tmp/nginx.conf
    exec nginx -c /tmp/nginx.conf
}
