packages=(stunnel4 openssl curl socat)
rule=443:4430
expected='^the site$'
serve() {
    cd /tmp
    printf '#!/bin/sh\nread -r line\nprintf "HTTP/1.0 200 OK\\r\\n\\r\\nthe site\\n"\n' >answer
    chmod 755 answer
    openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -subj /CN=service.test -days 2 2>/dev/null
    socat TCP-LISTEN:3000,fork,reuseaddr,bind=127.0.0.1 EXEC:/tmp/answer &
    printf 'foreground = yes\npid =\n[site]\naccept = :::4430\nconnect = 127.0.0.1:3000\ncert = /tmp/cert\nkey = /tmp/key\n' >/tmp/stunnel.conf
    exec stunnel4 /tmp/stunnel.conf
}
ask() { curl -sS -k -m 10 "https://$url_host:$2/"; }
