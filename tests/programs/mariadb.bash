packages=(mariadb-server mariadb-client)
rule=3306:13306
expected='^13306$'
serve() {
    install -d -o mysql /tmp/db /run/mysqld
    mariadb-install-db --user=mysql --datadir=/tmp/db --auth-root-authentication-method=normal >/dev/null
    printf "create user test@'%%';\n" >/tmp/init.sql
    exec mariadbd --no-defaults --user=mysql --datadir=/tmp/db --port=13306 --bind-address='*' --init-file=/tmp/init.sql --socket=/tmp/sock
}
ask() { mariadb --no-defaults -h "$1" -P "$2" -u test --skip-ssl -N -e 'select @@port'; }
