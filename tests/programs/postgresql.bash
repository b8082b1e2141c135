packages=(postgresql postgresql-client)
rule=5432:15432
expected='^ *15432$'
serve() {
    local bin
    bin=$(ls -d /usr/lib/postgresql/*/bin)
    install -d -o postgres /tmp/db /run/postgresql
    setpriv --reuid postgres --regid postgres --init-groups "$bin/initdb" -D /tmp/db -A trust
    printf 'host all all all trust\n' >>/tmp/db/pg_hba.conf
    exec setpriv --reuid postgres --regid postgres --init-groups "$bin/postgres" -D /tmp/db -p 15432 -h '*'
}
ask() { psql -h "$1" -p "$2" -U postgres -At -c 'select inet_server_port()'; }
