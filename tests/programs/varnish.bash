. tests/programs/common/http.bash
packages=(varnish curl)
rule=80:6081
expected='^the site 6081$'
serve() {
    printf '%s\n' 'vcl 4.1; import std; backend none none;' 'sub vcl_recv { return (synth(200)); }' \
        'sub vcl_synth { synthetic("the site " + std.port(server.ip)); return (deliver); }' >/tmp/site.vcl
    exec varnishd -F -a :6081 -f /tmp/site.vcl -n /tmp/varnish -s malloc,16m
}
