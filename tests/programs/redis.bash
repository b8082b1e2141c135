packages=(redis-server redis-tools)
rule=6379:16379
expected='^PONG$'
serve() { exec redis-server --port 16379 --bind '*' '-::*' --protected-mode no --save '' --dir /tmp; }
ask() { redis-cli -h "$1" -p "$2" ping; }
