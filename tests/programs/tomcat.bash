. tests/programs/common/http.bash
packages=(tomcat10 curl)
rule=80:8080
expected='It works'
serve() {
    export CATALINA_HOME=/usr/share/tomcat10 CATALINA_BASE=/var/lib/tomcat10 CATALINA_TMPDIR=/tmp
    exec /usr/share/tomcat10/bin/catalina.sh run
}
