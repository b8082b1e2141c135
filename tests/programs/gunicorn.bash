. tests/programs/common/http.bash
packages=(gunicorn curl)
rule=80:3000
expected='^the site$'
serve() {
    mkdir -p /tmp/app
    printf 'def app(environ, start):\n    start("200 OK", [])\n    return [b"the site"]\n' >/tmp/app/site_app.py
    cd /tmp/app
    exec /usr/bin/gunicorn -b '[::]:3000' site_app:app
}
