. tests/programs/common/http.bash
packages=(lighttpd curl)
rule=80:3000
expected='^the site$'
serve() {
    mkdir -p /tmp/site
    echo 'the site' >/tmp/site/index.html
    printf '%s\n' 'server.document-root = "/tmp/site"' 'server.port = 3000' 'server.bind = "0.0.0.0"' 'index-file.names = ("index.html")' \
        '$SERVER["socket"] == "[::]:3000" { }' 'server.use-ipv6 = "disable"' >/tmp/lighttpd.conf
    exec lighttpd -D -f /tmp/lighttpd.conf
}
