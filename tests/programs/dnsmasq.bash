. tests/programs/common/dns.bash
packages=(dnsmasq-base bind9-dnsutils)
serve() { exec dnsmasq -k -p 5300 --user=nobody --no-resolv --no-hosts -C /dev/null --address=/service.test/192.0.2.80; }
