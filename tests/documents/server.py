"""usage: server.py PORT ANSWER [ADDRESS]: a web server that answers each request with one line; the answer "peer" is the address
of the client."""
import http.server, socket, sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        peer = self.client_address[0].removeprefix("::ffff:")
        text = f"{peer if sys.argv[2] == 'peer' else sys.argv[2]}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if len(sys.argv) < 4 or ":" in sys.argv[3] else socket.AF_INET


Server((sys.argv[3] if len(sys.argv) > 3 else "::", int(sys.argv[1])), Handler).serve_forever()
