packages=(prosody socat)
rule=5222:15222
expected='<stream:features>'
serve() {
    install -d -o prosody /tmp/data
    cat >/tmp/prosody.cfg.lua <<'C'
daemonize = false
pidfile = "/tmp/data/pid"
data_path = "/tmp/data"
c2s_ports = { 15222 }
s2s_ports = { 15269 }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
log = { info = "*console" }
modules_enabled = { "roster", "saslauth", "disco" }
VirtualHost "service.test"
C
    exec setpriv --reuid prosody --regid prosody --init-groups prosody --config /tmp/prosody.cfg.lua
}
ask() {
    (printf "<?xml version='1.0'?><stream:stream to='service.test' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"; sleep 2) |
        socat -T5 - "TCP:$url_host:$2"
}
