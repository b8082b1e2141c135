packages=(cups-daemon curl)
rule=631:6310
expected='CUPS'
serve() {
    cat >/tmp/cupsd.conf <<'C'
Listen 0.0.0.0:6310
Listen [::]:6310
ServerAlias *
WebInterface Yes
<Location />
  Order allow,deny
  Allow all
</Location>
C
    exec cupsd -f -c /tmp/cupsd.conf
}
ask() { curl -sS -m 10 -I "http://$url_host:$2/" | grep -i ^server; }
