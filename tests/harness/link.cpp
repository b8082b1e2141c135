// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "harness/link.hpp"

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include <fmt/format.h>

#include "base/error.hpp"
#include "harness/process.hpp"

namespace bpfport::test {
namespace {

[[noreturn]] void refuse(const std::string& what) {
    throw std::runtime_error(what + ": " + error_text(errno));
}

ifreq request(const std::string& name) {
    ifreq out{};
    name.copy(out.ifr_name, IFNAMSIZ - 1);
    return out;
}

// An interface ioctl, in the interface's namespace.
void control(const Interface& interface, unsigned long command, ifreq& argument) {
    interface.netns().run([&] {
        const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        if (::ioctl(socket.get(), command, &argument) != 0)
            refuse(fmt::format("ioctl {:#x} on {}", command, interface.name()));
    });
}

} // namespace

Mac Interface::mac() const {
    ifreq argument = request(name_);
    control(*this, SIOCGIFHWADDR, argument);
    Mac mac{};
    std::copy_n(argument.ifr_hwaddr.sa_data, mac.size(), mac.begin());
    return mac;
}

const Interface& Interface::up() const {
    netns_->ip(fmt::format("link set {} up", name_));
    return *this;
}

const Interface& Interface::add_address(const std::string& with_prefix) const {
    const bool v6 = with_prefix.find(':') != std::string::npos;
    netns_->ip(fmt::format("address add {} dev {}{}", with_prefix, name_, v6 ? " nodad" : ""));
    return *this;
}

const Interface& Interface::mtu(unsigned bytes) const {
    netns_->ip(fmt::format("link set {} mtu {}", name_, bytes));
    return *this;
}

const Interface& Interface::tx_checksum(bool on) const {
    ethtool_value value{.cmd = ETHTOOL_STXCSUM, .data = on ? 1U : 0U};
    ifreq argument = request(name_);
    argument.ifr_data = reinterpret_cast<char*>(&value);
    control(*this, SIOCETHTOOL, argument);
    return *this;
}

VethPair::VethPair(const Netns& netns_a, const std::string& name_a, const Netns& netns_b,
                   const std::string& name_b)
    : a(netns_a, name_a), b(netns_b, name_b) {
    netns_a.ip(
        fmt::format("link add {} type veth peer name {} netns {}", name_a, name_b, netns_b.name()));
    a.up();
    b.up();
}

void VethPair::tx_checksum(bool on) const {
    a.tx_checksum(on);
    b.tx_checksum(on);
}

void VethPair::mtu(unsigned bytes) const {
    a.mtu(bytes);
    b.mtu(bytes);
}

Interface add_bridge(const Netns& netns, const std::string& name,
                     const std::vector<Interface>& ports) {
    netns.ip(fmt::format("link add {} type bridge", name));
    for (const Interface& port : ports)
        netns.ip(fmt::format("link set {} master {}", port.name(), name));
    return Interface(netns, name).up();
}

Interface add_vlan(const Interface& parent, std::uint16_t id, const std::string& protocol) {
    const std::string name = fmt::format("{}.{}", parent.name(), id);
    parent.netns().ip(fmt::format("link add link {} name {} type vlan protocol {} id {}",
                                  parent.name(), name, protocol, id));
    return Interface(parent.netns(), name).up();
}

Interface add_macvlan(const Interface& parent, const Netns& netns, const std::string& name) {
    // Linux before 6.14 makes it in the parent's namespace first, where the name may be taken.
    const std::string first = "macvlan-child";
    parent.netns().ip(fmt::format("link add link {} name {} netns {} type macvlan mode bridge",
                                  parent.name(), first, netns.name()));
    netns.ip(fmt::format("link set {} name {}", first, name));
    return Interface(netns, name).up();
}

bool have_link_type(const std::string& type) {
    const Netns netns;
    const auto tried =
        run({"ip", "-n", netns.name(), "link", "add", "link", "lo", "name", "probe", "type", type});
    return tried.err.find("Unknown device type") == std::string::npos;
}

Tun::Tun(const Netns& netns, const std::string& name)
    : interface_(netns, name), fd_(netns.run([&] {
          Fd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
          ifreq argument = request(name);
          argument.ifr_flags = IFF_TUN | IFF_NO_PI;
          if (!fd || ::ioctl(fd.get(), TUNSETIFF, &argument) != 0) refuse("tun " + name);
          return fd;
      })) {
    interface_.up();
}

void Tun::send(const Bytes& packet) const {
    if (::write(fd_.get(), packet.data(), packet.size()) != static_cast<ssize_t>(packet.size()))
        refuse("write to " + interface_.name());
}

std::optional<Bytes> Tun::receive(int timeout_ms) const {
    pollfd wait{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&wait, 1, timeout_ms) != 1) return {};
    Bytes packet(65536);
    const ssize_t size = ::read(fd_.get(), packet.data(), packet.size());
    if (size < 0) refuse("read from " + interface_.name());
    packet.resize(static_cast<std::size_t>(size));
    return packet;
}

} // namespace bpfport::test
