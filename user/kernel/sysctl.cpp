// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/sysctl.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/fd.hpp"

namespace bpfport {

Result<std::string> read_net_sysctl(std::string_view name) {
    auto path = fmt::format("/proc/sys/net/{}", name);
    Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return system_error(fmt::format("open {}", path));
    // One read: for a list of ports the kernel answers the first only, with as much as fits. The
    // longest, every other port, has some 190,000 characters.
    std::string text(256 * 1024, '\0');
    ssize_t length = ::read(file.get(), text.data(), text.size());
    if (length < 0) return system_error(fmt::format("read {}", path));
    text.resize(static_cast<std::size_t>(length));
    if (text.ends_with('\n')) text.pop_back();
    return text;
}

Result<PortRange> local_port_range() {
    auto text = read_net_sysctl("ipv4/ip_local_port_range");
    if (!text) return std::unexpected(text.error());
    if (auto range = parse_port_range(*text)) return *range;
    return failure(fmt::format("net.ipv4.ip_local_port_range: {:?} is not two ports", *text));
}

Result<PortList> reserved_ports() {
    auto text = read_net_sysctl("ipv4/ip_local_reserved_ports");
    if (!text) return std::unexpected(text.error());
    if (auto ports = parse_port_list(*text)) return *ports;
    return failure(
        fmt::format("net.ipv4.ip_local_reserved_ports: {:?} is not a list of ports", *text));
}

std::optional<PortRange> parse_port_range(std::string_view text) {
    auto tab = text.find_first_of("\t ");
    if (tab == text.npos) return std::nullopt;
    auto last = text.find_first_not_of("\t ", tab);
    if (last == text.npos) return std::nullopt;
    auto from = parse_port_number(text.substr(0, tab));
    auto to = parse_port_number(text.substr(last));
    if (!from || !to || *from > *to) return std::nullopt;
    return PortRange{*from, *to};
}

} // namespace bpfport
