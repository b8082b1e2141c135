packages=(memcached socat)
rule=11211:21211
expected='^VERSION'
serve() { exec memcached -p 21211 -u nobody -l 0.0.0.0,::; }
ask() { (printf 'version\r\n'; sleep 0.5) | socat -T5 - "TCP:$url_host:$2"; }
