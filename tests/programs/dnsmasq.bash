# Asked by UDP, then by TCP.
packages=(dnsmasq-base bind9-dnsutils)
rule=53:5300/tcp+udp
expected=$'^192.0.2.80\n192.0.2.80$'
serve() { exec dnsmasq -k -p 5300 --user=nobody --no-resolv --no-hosts -C /dev/null --address=/service.test/192.0.2.80; }
ask() { dig +time=2 +tries=3 +short @"$1" -p "$2" service.test A; dig +tcp +time=5 +tries=1 +short @"$1" -p "$2" service.test A; }
