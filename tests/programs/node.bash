. tests/programs/common/http.bash
packages=(nodejs curl)
rule=80:3000
expected='^the site 3000$'
serve() { exec node -e 'require("http").createServer((q, a) => a.end("the site " + q.socket.localPort)).listen(3000)'; }
