// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "firewall/read_firewall.hpp"

#include <algorithm>
#include <fstream>
#include <string>

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

bool same_chain(const FirewallChain& left, const FirewallChain& right) {
    return left.family == right.family && left.table == right.table && left.name == right.name;
}

void append(Firewall& firewall, Firewall more) {
    std::ranges::move(more, std::back_inserter(firewall));
}

// `nft list` shows the chains of iptables-nft too, with targets it can't read: iptables-nft-save
// shows them in full. Of the same tables (nat is a name that many choose) it leaves out other chains.
Firewall read_iptables(const char* variant) {
    Firewall firewall;
    for (bool ipv6 : {false, true})
        if (auto text = run_program({fmt::format("ip{}tables-{}-save", ipv6 ? "6" : "", variant)}))
            append(firewall, parse_iptables_save(*text, ipv6));
    return firewall;
}

// The legacy variant's tables; only root is told.
bool has_legacy_tables() {
    for (const char* path : {"/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"}) {
        std::string name;
        if (std::ifstream(path) >> name) return true;
    }
    return false;
}

} // namespace

FirewallReading read_firewall() {
    FirewallReading reading;
    Firewall& firewall = reading.firewall;
    if (std::size_t tables = count_tables()) {
        firewall = read_iptables("nft");
        auto json = run_program({"nft", "-j", "list", "ruleset"});
        auto native = json ? parse_nft(*json) : std::unexpected(json.error());
        if (native) {
            std::erase_if(*native, [&](const FirewallChain& chain) {
                return std::ranges::any_of(
                    firewall, [&](const auto& known) { return same_chain(chain, known); });
            });
            append(firewall, std::move(*native));
        } else if (json || firewall.empty()) {
            reading.unreadable =
                fmt::format("there are {} nftables tables, and {}", tables, native.error().message);
        }
    }
    if (has_legacy_tables()) {
        auto legacy = read_iptables("legacy");
        if (legacy.empty())
            reading.unreadable = "there are tables of iptables-legacy, and iptables-legacy-save "
                                 "doesn't tell them";
        append(firewall, std::move(legacy));
    }
    return reading;
}

} // namespace bpfport
