// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "doctor/read_firewall.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include "kernel/netlink_dump.hpp"
#include "kernel/run_program.hpp"

namespace bpfport {

namespace {

// How many nftables tables the kernel has here, asked without nft; iptables-nft's count as well.
std::size_t count_tables() {
    alignas(nlmsghdr) char buffer[64];
    nlmsghdr* request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE;
    auto* family = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(nfgenmsg)));
    family->nfgen_family = AF_UNSPEC;
    family->version = NFNETLINK_V0;
    auto messages = netlink_dump(NETLINK_NETFILTER, request, "list nftables tables");
    std::size_t count = 0;
    if (messages) for_each_message(*messages, [&](const nlmsghdr*) { count++; });
    return count;
}

bool same_table(const FirewallChain& left, const FirewallChain& right) {
    return left.family == right.family && left.table == right.table;
}

void append(Firewall& firewall, Firewall more) {
    std::ranges::move(more, std::back_inserter(firewall));
}

// `nft list` shows the tables of iptables-nft too, with targets it can't read: iptables-nft-save
// shows them in full.
Firewall read_iptables(const char* variant) {
    Firewall firewall;
    for (bool ipv6 : {false, true})
        if (auto text = run_program({fmt::format("ip{}tables-{}-save", ipv6 ? "6" : "", variant)}))
            append(firewall, parse_iptables_save(*text, ipv6));
    return firewall;
}

void add_unreadable(Findings& findings, const std::string& why) {
    findings.push_back({Severity::kNote, "firewall",
                        fmt::format("can't tell what the firewall does: {}", why),
                        "install nftables and run as root; or bpfport doctor --probe"});
}

} // namespace

Firewall read_firewall(Findings& findings) {
    Firewall firewall = read_iptables("nft");
    if (auto json = run_program({"nft", "-j", "list", "ruleset"})) {
        auto native = parse_nft(*json);
        if (!native) {
            add_unreadable(findings, native.error().message);
        } else {
            std::erase_if(*native, [&](const FirewallChain& chain) {
                return std::ranges::any_of(
                    firewall, [&](const auto& known) { return same_table(chain, known); });
            });
            append(firewall, std::move(*native));
        }
    } else if (std::size_t tables = count_tables(); tables && firewall.empty()) {
        add_unreadable(findings, fmt::format("there are {} nftables tables, and {}", tables,
                                             json.error().message));
    }
    append(firewall, read_iptables("legacy"));
    return firewall;
}

} // namespace bpfport
