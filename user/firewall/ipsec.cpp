// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "firewall/ipsec.hpp"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/xfrm.h>
#include <sys/socket.h>

#include <cstring>
#include <fstream>
#include <limits>
#include <string>

#include "kernel/netlink_dump.hpp"

namespace bpfport {

namespace {

// Whether the kernel has the protocol at hand: to ask for a socket of it would load the module.
bool has_xfrm() {
    std::ifstream file("/proc/net/netlink");
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    std::string socket, line;
    for (int protocol = 0; file >> socket >> protocol; std::getline(file, line))
        if (protocol == NETLINK_XFRM) return true;
    return false;
}

const char* mode_name(std::uint8_t mode) {
    switch (mode) {
    case XFRM_MODE_TRANSPORT:
        return "transport";
    case XFRM_MODE_TUNNEL:
        return "tunnel";
    default:
        return "another";
    }
}

std::optional<Prefix> prefix_of(const xfrm_address_t& address, std::uint8_t length, int family) {
    bool v4 = family == AF_INET;
    if (length > (v4 ? 32 : 128)) return std::nullopt;
    if (v4) return Prefix{Address::from_v4(&address), length + 96U};
    return Prefix{Address::from_v6(&address), length};
}

std::optional<IpsecPolicy> parse_policy(const nlmsghdr* message) {
    xfrm_userpolicy_info info{};
    std::memcpy(&info, mnl_nlmsg_get_payload(message), sizeof info);
    const auto& selector = info.sel;
    bool family = selector.family == AF_INET || selector.family == AF_INET6;
    if (!family || info.dir != XFRM_POLICY_OUT || info.action != XFRM_POLICY_ALLOW)
        return std::nullopt;
    auto from = prefix_of(selector.saddr, selector.prefixlen_s, selector.family);
    auto to = prefix_of(selector.daddr, selector.prefixlen_d, selector.family);
    if (!from || !to) return std::nullopt;
    IpsecPolicy policy;
    policy.from = *from;
    policy.to = *to;
    if (selector.proto) policy.protocol = selector.proto;
    policy.port = ntohs(selector.sport);
    policy.port_mask = ntohs(selector.sport_mask);
    policy.ifindex = static_cast<unsigned>(selector.ifindex);
    std::uint32_t interface_id = 0;
    for_each_attribute(attributes_of(message, sizeof info), [&](auto type, auto payload) {
        auto step = value_of<xfrm_user_tmpl>(payload);
        if (type == XFRMA_TMPL && step) policy.mode = mode_name(step->mode);
        if (type == XFRMA_IF_ID) interface_id = value_of<std::uint32_t>(payload).value_or(0);
    });
    bool transforms = *policy.mode != '\0';
    if (!transforms || interface_id) return std::nullopt;
    return policy;
}

} // namespace

bool IpsecPolicy::covers(PortRange ports) const {
    for (unsigned one = ports.first; one <= ports.last; one++)
        if ((one & port_mask) == (port & port_mask)) return true;
    return false;
}

std::vector<IpsecPolicy> parse_policies(std::span<const std::byte> messages) {
    std::vector<IpsecPolicy> policies;
    for_each_message(messages, [&](const nlmsghdr* message) {
        if (message->nlmsg_type != XFRM_MSG_NEWPOLICY ||
            mnl_nlmsg_get_payload_len(message) < sizeof(xfrm_userpolicy_info))
            return;
        if (auto policy = parse_policy(message)) policies.push_back(*policy);
    });
    return policies;
}

std::vector<IpsecPolicy> ipsec_policies() {
    if (!has_xfrm()) return {};
    alignas(nlmsghdr) char buffer[64];
    nlmsghdr* request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = XFRM_MSG_GETPOLICY;
    auto messages = netlink_dump(NETLINK_XFRM, request, "list IPsec policies");
    return messages ? parse_policies(*messages) : std::vector<IpsecPolicy>{};
}

} // namespace bpfport
