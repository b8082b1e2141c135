# shellcheck shell=bash
# shellcheck disable=SC2154 # $root is the caller's
# Debian's archive, of any architecture: every byte is vouched for by apt (signed Release -> hash of Packages -> hash of
# the package). The machine's own apt state is neither used nor changed, only its configuration is read: the mirrors, so
# that no archive address is written here, and the Acquire settings (proxy).

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The archives this machine's apt uses for its own release. VMTESTS_MIRRORS (words) overrides, for machines that
# are not Debian's.
mirrors() {
    if [[ -n ${VMTESTS_MIRRORS:-} ]]; then
        tr -s ' ' '\n' <<<"$VMTESTS_MIRRORS"
        return
    fi
    local codename
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016 # apt's own variables
    apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
        awk -v own="^(${codename:-stable}|stable|oldstable|testing|unstable|sid)(-|/|$)" '
            $1 ~ own && !seen[$2]++ { print $2 }'
}

# Where a mirror usually keeps what a machine's own sources don't name: security updates, and suites that have
# left the main archive.
siblings() {
    local uri
    while read -r uri; do
        uri=${uri%/}
        case $uri in
            */debian) printf '%s\n' "$uri-security" "${uri%/debian}/archive/debian" "${uri%/debian}/debian-archive/debian" ;;
            */debian-security) printf '%s\n' "${uri%-security}" "${uri%/debian-security}/archive/debian-security" ;;
        esac
    done
}

# private_apt ROOT ARCHITECTURE: a configuration under which apt-get and apt-cache know ROOT and nothing of the machine.
private_apt() {
    local root=$1 architecture=$2
    mkdir -p "$root"/{lists/partial,archives/partial}
    : >"$root/status"
    {
        apt-config dump | grep '^Acquire::' || true
        cat <<CONF
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "$root/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "$root";
Dir::State::lists "$root/lists";
Dir::State::status "$root/status";
Dir::Cache "$root";
Dir::Cache::archives "$root/archives";
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
// Whatever the machine tolerates: without a good signature nothing is taken.
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
APT::Get::AllowUnauthenticated "false";
// A suite that is no longer updated stays signed, but its Release says it is out of date.
Acquire::Check-Valid-Until "false";
CONF
    } >"$root/apt.conf"
}

# list SUITES: reads the indexes of these suites from the archives on stdin. A suite that an archive doesn't carry
# is an error to apt and none to us: what counts is what the lists then hold.
list() {
    local uri suite
    while read -r uri; do
        for suite in ${1//,/ }; do
            echo "deb [signed-by=$keyring] $uri $suite main"
        done
    done >"$root/sources.list"
    apt-get -q update >>"$root/log" 2>&1 || true
}

