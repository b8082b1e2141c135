packages=(postfix socat)
rule=25:2525
expected='^220 service.test ESMTP'
serve() {
    cd /etc/postfix
    postconf -c /etc/postfix -e 'myhostname = service.test' 'inet_interfaces = all' 'inet_protocols = all' 'maillog_file = /dev/stdout' 2>/dev/null ||
        { cp main.cf.proto main.cf 2>/dev/null || :; printf 'compatibility_level = 3.6\nmyhostname = service.test\nmaillog_file = /dev/stdout\n' >main.cf; }
    sed -i 's/^smtp  *inet/2525 inet/' master.cf
    exec postfix start-fg
}
ask() { (sleep 1; printf 'QUIT\r\n'; sleep 1) | socat -T5 - "TCP:$url_host:$2"; }
