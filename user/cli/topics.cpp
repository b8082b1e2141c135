// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/topics.hpp"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "config/policy_files.hpp"
#include "engine/registry.hpp"
#include "rule/rule.hpp"
#include "state/store.hpp"

namespace bpfport {

namespace {

constexpr std::size_t kTopicColumns = 80;

// "  word  text", whose text begins in a column and goes on there on further lines.
std::string item(std::string_view word, std::string_view text, std::size_t column) {
    std::string out, line = fmt::format("{:<{}}", fmt::format("  {} ", word), column - 1);
    while (!text.empty()) {
        const auto next = text.substr(0, text.find(' '));
        if (line.size() + 1 + next.size() > kTopicColumns) {
            out += line + "\n";
            line.assign(column - 1, ' ');
        }
        line.append(" ").append(next);
        text.remove_prefix(std::min(text.size(), next.size() + 1));
    }
    return out + line + "\n";
}

std::string rules() {
    return fmt::format(
        R"(A rule says which port becomes which:

  {}

  80:3000                          port 80 goes to the program on 3000, over tcp
  53:5353/tcp+udp                  both protocols
  192.0.2.1:80:3000                of this local address only
  [2001:db8::/64]:80:3000          of every address of a prefix
  8000-8010:18000-18010            a range, one to one
  8000-8100:=3000                  a range, all to one port
  80:3000@192.0.2.0/24,-192.0.2.7  for some clients, and not for others
  80:3000*95,4000*5                two targets share the connections, by weight
  80:auto                          on a cgroup: bpfport chooses the target

Of several rules for a port the most specific one applies: that of an interface
before one of `any`, then the longest prefix of local addresses, then the
longest prefix of clients, then the narrowest range. Two rules that nothing
tells apart are refused, and so is a rule that would redirect a port on which
another program listens (--force).
)",
        kRuleForm);
}

std::string scopes() {
    return R"(A scope says where a rule or a grant holds:

  eth0, dev:eth0  a network interface; with dev: whatever its name looks like
  'eth*'          the interfaces that are there now and match, but not lo
  any             every interface that is there now
  cgroup:/PATH    a cgroup, by its path below the cgroup2 mount; or /PATH alone
  unit:NAME       a systemd unit, .service by default
  container:ID    a container, by its id, the beginning of it, or its name
  user:NAME       all that a user runs
  pid:N           the cgroup of a process

A rule of an interface redirects packets, so it holds for clients on other
hosts and (without --no-local) on this one. A rule of a cgroup changes the port
in system calls: bind(80) of its programs becomes bind(3000), and clients on
this host that connect to 80 reach them. It holds for sockets that are made
after it. --netns goes to another network namespace first: a name of ip netns,
a path, or a process id.
)";
}

std::string engines_topic() {
    std::string lines;
    for (const Engine* engine : engines())
        lines += item(engine->info().name, engine->info().summary, 12);
    return fmt::format(
        R"(An engine is the way in which a rule is served:

{}
With --engine auto, the default, sklookup serves tcp where the kernel can
(Linux 5.17 for an interface), and tc serves udp and all else. `bpfport attach
--explain` says which engine would serve a rule and why. Rules of cgroups have
one engine, so --engine is for interfaces.

Firewalls, ss and conntrack on this host see the listen port with sklookup and
the target port with tc and xdp. Open connections go on after a detach with
sklookup; with tc and xdp they are cut, unless --drain lets them end first.
)",
        lines);
}

std::string grants() {
    return R"(A grant lets the processes of a cgroup bind exactly the named ports without
CAP_NET_BIND_SERVICE:

  bpfport grant unit:web 80 443
  bpfport grant cgroup:/web.slice 53/tcp+udp
  bpfport run --grant 80 -- node server.js

Nothing on disk changes, so scripts work, and updates of a program lose
nothing. A grant holds for sockets that are made after it; one that is revoked
leaves bound sockets bound. Linux 5.12 or newer.
)";
}

std::string policy() {
    return fmt::format(
        R"(The kernel forgets rules and grants at a reboot. Those of
{0}/policy.toml and {0}/policy.d/*.toml are in force again
after `bpfport apply`, which bpfport-apply.service runs at boot. The format is
TOML:

  [[interface]]
  name = "eth0"
  rules = ["80:3000", "443:8443"]

  [[cgroup]]
  unit = "web.service"
  grants = [25]

  bpfport attach ... --save    attaches, and writes it to policy.toml; likewise
                               detach, grant and revoke
  bpfport check                all errors of the files at once
  bpfport apply --dry-run      what apply would do
  bpfport apply                the kernel has what the files have, or
                               nothing has changed
  bpfport apply --confirm 30s  taken back unless `bpfport confirm` follows
  bpfport serve                stays, and applies what differs whenever files,
                               interfaces, addresses or cgroups change
  bpfport export               what is in force, as such a file

What the kernel has already is not touched. Rules that were attached by hand
are left alone, unless --prune is given.
)",
        kPolicyDirectory);
}

std::string files() {
    constexpr std::size_t kColumn = 32;
    const std::string policies = kPolicyDirectory;
    return item(policies + "/policy.toml", "rules and grants that `bpfport apply` puts into force",
                kColumn) +
           item(policies + "/policy.d/*.toml", "more of them; all files together are one policy",
                kColumn) +
           item(kDefaultRoot,
                "programs and maps in force, in a BPF file system; that is memory, so nothing is "
                "left "
                "of it after a reboot",
                kColumn);
}

std::string documents() {
    constexpr std::size_t kColumn = 23;
    std::string lines;
    for (const auto& [page, text] :
         {std::pair{"recipes.md",
                    "web, DNS, mail, syslog, rootless containers, blue-green, canary, "
                    "Node, Go, Java, Python: the commands"},
          {"migration.md", "coming from iptables, setcap, authbind, systemd sockets, a proxy, "
                           "docker -p: their lines, ours, what differs"},
          {"troubleshooting.md", "from what is seen to the reason, with what doctor prints"},
          {"semantics.md", "what exactly happens to a packet and to a call"},
          {"engines.md", "the engines compared in full"},
          {"cgroup.md", "rules, grants and owners of units, users and containers"},
          {"policy.md", "policy files, apply, serve, --save"},
          {"trace.md, doctor.md", "how to see what happens"},
          {"metrics.md", "every metric, the exporter"},
          {"security.md", "what is trusted, and what each command needs"}})
        lines += item(page, text, kColumn);
    return "Pages with more, in share/doc/bpfport/docs of where bpfport is installed:\n\n" + lines;
}

std::string exit_status() {
    return R"(  0    success
  1    the system refused; of doctor: something breaks service
  2    the words typed were wrong, or a policy file has errors
  126  of run: the command could not be executed
  127  of run: the command was not found; what it ends with is otherwise the
       command's own

An error is one line that says what failed and why, then, where something
helps, a line that begins with "hint:".
)";
}

} // namespace

std::vector<Topic> topics() {
    return {{"rules", "which port becomes which", rules()},
            {"scopes", "where a rule or a grant holds", scopes()},
            {"engines", "how a rule is served", engines_topic()},
            {"grants", "ports that programs may bind themselves", grants()},
            {"policy", "rules and grants that are there after a reboot", policy()},
            {"files", "where policies and state are kept", files()},
            {"documents", "pages with more", documents()},
            {"exit-status", "what a command returns", exit_status()}};
}

} // namespace bpfport
