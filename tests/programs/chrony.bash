# The client sends one NTP request; chronyd's own takes ten seconds for one answer.
packages=(chrony python3)
rule=123:1123/udp
expected='^stratum 5$'
serve() {
    printf 'port 1123\nallow all\nlocal stratum 5\ncmdport 0\nbindcmdaddress /\npidfile /tmp/pid\n' >/tmp/chrony.conf
    exec chronyd -x -d -f /tmp/chrony.conf -u root
}
ask() {
    python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(3)
s.connect((sys.argv[1], int(sys.argv[2])))
s.send(b"\x23" + bytes(47))
print("stratum", s.recv(48)[1])' "$1" "$2"
}
