packages=(mosquitto mosquitto-clients)
rule=1883:11883
expected='^hello$'
serve() {
    printf 'listener 11883\nallow_anonymous true\n' >/tmp/mosquitto.conf
    exec mosquitto -c /tmp/mosquitto.conf
}
ask() {
    mosquitto_pub -h "$1" -p "$2" -t topic -m hello -r
    timeout 5 mosquitto_sub -h "$1" -p "$2" -t topic -C 1
}
