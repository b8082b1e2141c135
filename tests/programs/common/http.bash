# The client of a web server.
ask() { curl -sS -m 10 "http://$url_host:$2/"; }
