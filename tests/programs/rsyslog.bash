# By UDP and by TCP; what came is in the server's file.
packages=(rsyslog util-linux)
rule=514:5514/tcp+udp
expected='^both$'
serve() {
    cat >/tmp/rsyslog.conf <<'C'
module(load="imudp")
module(load="imtcp")
input(type="imudp" port="5514")
input(type="imtcp" port="5514")
action(type="omfile" file="/tmp/messages" asyncWriting="off")
C
    exec rsyslogd -n -f /tmp/rsyslog.conf -i NONE
}
ask() {
    local word=$RANDOM$RANDOM
    logger -n "$1" -P "$2" -d "$word-udp"
    logger -n "$1" -P "$2" -T "$word-tcp"
    for _ in {1..20}; do
        ! { grep -q "$word-udp" /tmp/messages && grep -q "$word-tcp" /tmp/messages; } || { echo both && return; }
        sleep 0.1
    done
}
