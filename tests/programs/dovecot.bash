packages=(dovecot-imapd socat)
rule=143:1143
expected='^\* OK .*Dovecot'
serve() {
    cat >/tmp/dovecot.conf <<'C'
protocols = imap
ssl = no
base_dir = /run/dovecot
log_path = /dev/stderr
mail_location = maildir:/tmp/mail
service imap-login {
  inet_listener imap {
    port = 1143
  }
  inet_listener imaps {
    port = 0
  }
}
passdb {
  driver = static
  args = password=x
}
C
    exec dovecot -F -c /tmp/dovecot.conf
}
ask() { (sleep 1; printf 'a LOGOUT\r\n'; sleep 1) | socat -T5 - "TCP:$url_host:$2"; }
