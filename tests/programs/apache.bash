packages=(apache2-bin curl openssl)
rule=80:3000
expected='^the site$'
serve() {
    mkdir -p /tmp/{site,other}
    echo 'the site' >/tmp/site/index.html
    echo 'another' >/tmp/other/index.html
    cat >/tmp/apache.conf <<'C'
ServerRoot /tmp
PidFile /tmp/pid
ErrorLog /tmp/log
ServerName service.test
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
User www-data
Group www-data
Listen 3000
DocumentRoot /tmp/other
<VirtualHost *:3000>
  DocumentRoot /tmp/site
</VirtualHost>
C
    exec apache2 -f /tmp/apache.conf -DFOREGROUND
}
ask() { curl -sS -m 10 "http://$url_host:$2/index.html"; }
