// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/netlink.hpp"

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "kernel/netlink_dump.hpp"

namespace bpfport {

namespace {

Result<std::vector<std::byte>> dump(std::uint16_t type, std::string_view what) {
    alignas(nlmsghdr) std::array<char, 64> buffer{};
    nlmsghdr* request = mnl_nlmsg_put_header(buffer.data());
    request->nlmsg_type = type;
    auto* general = static_cast<rtgenmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(rtgenmsg)));
    general->rtgen_family = AF_UNSPEC;
    return netlink_dump(NETLINK_ROUTE, request, what);
}

// A string attribute, which ends with a NUL or with its payload.
std::string text_of(std::span<const std::byte> payload) {
    std::string text(reinterpret_cast<const char*>(payload.data()), payload.size());
    return text.substr(0, text.find('\0'));
}

std::string kind_of(std::span<const std::byte> link_info) {
    std::string kind;
    for_each_attribute(link_info, [&](std::uint16_t type, std::span<const std::byte> payload) {
        if (type == IFLA_INFO_KIND) kind = text_of(payload);
    });
    return kind;
}

Interface parse_link(const nlmsghdr* message) {
    auto* header = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
    Interface link;
    link.ifindex = static_cast<unsigned>(header->ifi_index);
    link.type = header->ifi_type;
    link.flags = header->ifi_flags;
    for_each_attribute(attributes_of(message, sizeof *header), [&](auto type, auto payload) {
        switch (type) {
        case IFLA_IFNAME:
            link.name = text_of(payload);
            break;
        case IFLA_MTU:
            link.mtu = value_of<unsigned>(payload).value_or(0);
            break;
        case IFLA_MASTER:
            link.master = value_of<unsigned>(payload).value_or(0);
            break;
        case IFLA_LINKINFO:
            link.kind = kind_of(payload);
            break;
        case IFLA_ADDRESS:
            for (std::byte byte : payload)
                link.link_address.push_back(std::to_integer<uint8_t>(byte));
            break;
        default:
            break;
        }
    });
    return link;
}

std::optional<Address> address_of(std::span<const std::byte> payload, int family) {
    if (family == AF_INET && payload.size() == 4) return Address::from_v4(payload.data());
    if (family == AF_INET6 && payload.size() == 16) return Address::from_v6(payload.data());
    return std::nullopt;
}

std::optional<InterfaceAddress> parse_address_message(const nlmsghdr* message) {
    auto* header = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(message));
    // On a point-to-point interface IFA_ADDRESS is the other end's and IFA_LOCAL our own; IPv6
    // sends IFA_LOCAL only in that case.
    std::optional<Address> local;
    std::optional<Address> address;
    for_each_attribute(attributes_of(message, sizeof *header), [&](auto type, auto payload) {
        if (type == IFA_LOCAL) local = address_of(payload, header->ifa_family);
        if (type == IFA_ADDRESS) address = address_of(payload, header->ifa_family);
    });
    if (!local) local = address;
    if (!local) return std::nullopt;
    return InterfaceAddress{header->ifa_index, *local, header->ifa_prefixlen};
}

bool is(const nlmsghdr* message, std::uint16_t type, std::size_t header) {
    return message->nlmsg_type == type && mnl_nlmsg_get_payload_len(message) >= header;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Levenshtein: the fewest letters to change, add or drop; ETH0 for eth0 is no slip at all.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), 0);
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            std::size_t changed = diagonal + (lower(a[i]) == lower(b[j]) ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
        }
    }
    return row.back();
}

} // namespace

bool Interface::is_loopback() const { return flags & IFF_LOOPBACK; }
bool Interface::is_up() const { return flags & IFF_UP; }
bool Interface::has_ethernet_header() const {
    return type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK;
}

std::vector<Interface> parse_links(std::span<const std::byte> messages) {
    std::vector<Interface> links;
    for_each_message(messages, [&](const nlmsghdr* message) {
        if (is(message, RTM_NEWLINK, sizeof(ifinfomsg))) links.push_back(parse_link(message));
    });
    return links;
}

std::vector<InterfaceAddress> parse_addresses(std::span<const std::byte> messages) {
    std::vector<InterfaceAddress> addresses;
    for_each_message(messages, [&](const nlmsghdr* message) {
        if (!is(message, RTM_NEWADDR, sizeof(ifaddrmsg))) return;
        if (auto address = parse_address_message(message)) addresses.push_back(*address);
    });
    return addresses;
}

Result<std::vector<Interface>> interfaces() {
    auto messages = dump(RTM_GETLINK, "list interfaces");
    if (!messages) return std::unexpected(messages.error());
    return parse_links(*messages);
}

Result<std::vector<InterfaceAddress>> interface_addresses() {
    auto messages = dump(RTM_GETADDR, "list addresses");
    if (!messages) return std::unexpected(messages.error());
    return parse_addresses(*messages);
}

Result<Interface> find_interface(std::string_view name) {
    auto all = interfaces();
    if (!all) return std::unexpected(all.error());
    auto found = std::ranges::find(*all, name, &Interface::name);
    if (found != all->end()) return *found;
    std::vector<std::string> names;
    for (const Interface& one : *all) names.push_back(one.name);
    auto error = failure(fmt::format("no interface {:?} in this network namespace", name),
                         suggest_name(name, names));
    error.error().code = ENODEV;
    return error;
}

Result<Interface> find_interface(unsigned ifindex) {
    auto all = interfaces();
    if (!all) return std::unexpected(all.error());
    if (const Interface* found = find_interface(*all, ifindex)) return *found;
    return system_error(fmt::format("interface with index {}", ifindex), ENODEV);
}

const Interface* find_interface(const std::vector<Interface>& interfaces, unsigned ifindex) {
    auto found = std::ranges::find(interfaces, ifindex, &Interface::ifindex);
    return found == interfaces.end() ? nullptr : &*found;
}

std::string suggest_name(std::string_view wrong, std::span<const std::string> known) {
    constexpr std::size_t kFew = 8;
    if (known.empty()) return {};
    auto nearest = std::ranges::min_element(
        known, {}, [&](const std::string& name) { return distance(wrong, name); });
    // A third of the letters wrong is a slip; more is another word.
    bool is_slip = distance(wrong, *nearest) <= std::max<std::size_t>(1, wrong.size() / 3);
    auto guess = is_slip ? fmt::format("did you mean {}?", *nearest) : std::string();
    if (known.size() > kFew) return guess;
    auto list =
        fmt::format("there {} {}", known.size() == 1 ? "is" : "are", fmt::join(known, ", "));
    return guess.empty() ? list : fmt::format("{} {}", guess, list);
}

} // namespace bpfport
