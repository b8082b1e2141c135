# Answers come from another port, as the protocol says.
packages=(tftpd-hpa curl)
rule=69:6900/udp
expected='^the file$'
serve() {
    install -d -m 755 /tmp/tftp
    echo 'the file' >/tmp/tftp/file
    exec in.tftpd -L -a :6900 -u tftp -s /tmp/tftp
}
ask() { curl -sS -m 10 "tftp://$url_host:$2/file"; }
