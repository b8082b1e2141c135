packages=(openssh-server openssh-client)
rule=22:2222
expected='^2222$'
serve() {
    install -d -m 755 /run/sshd
    [[ -f /tmp/key ]] || ssh-keygen -q -t ed25519 -N '' -f /tmp/key
    ssh-keygen -q -t ed25519 -N '' -f /tmp/host
    install -d -m 700 /root/.ssh
    cp /tmp/key.pub /root/.ssh/authorized_keys
    exec /usr/sbin/sshd -D -e -f /dev/null -p 2222 -h /tmp/host -o PermitRootLogin=yes -o UsePAM=no -o PidFile=none
}
# SSH_CONNECTION says the server's port as it sees it.
ask() {
    ssh -F /dev/null -i /tmp/key -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -p "$2" "root@$1" \
        'set -- $SSH_CONNECTION; echo $4'
}
