// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Interfaces of test namespaces. They go with their namespaces; nothing here needs cleaning up.
// Every call throws std::runtime_error with the message of the program that refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/netns.hpp"
#include "harness/packet.hpp"

namespace bpfport::test {

class Interface {
  public:
    Interface(const Netns& netns, std::string name) : netns_(&netns), name_(std::move(name)) {}

    [[nodiscard]] const Netns& netns() const { return *netns_; }
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] unsigned index() const { return netns_->ifindex(name_); }
    [[nodiscard]] Mac mac() const;

    const Interface& up() const;
    // "192.0.2.1/24" or "2001:db8::1/64"; usable at once (nodad).
    const Interface& add_address(const std::string& with_prefix) const;
    const Interface& mtu(unsigned bytes) const;
    // Off: checksums and segments are finished before the frame leaves, as for a plain NIC.
    const Interface& tx_checksum(bool on) const;

  private:
    const Netns* netns_;
    std::string name_;
};

// Two ends of a cable, both up.
struct VethPair {
    Interface a;
    Interface b;

    VethPair(const Netns& netns_a, const std::string& name_a, const Netns& netns_b,
             const std::string& name_b);
    void tx_checksum(bool on) const;
    void mtu(unsigned bytes) const;
};

// All up. A macvlan child may be put into another namespace than its parent's.
Interface add_bridge(const Netns& netns, const std::string& name,
                     const std::vector<Interface>& ports);
Interface add_vlan(const Interface& parent, std::uint16_t id,
                   const std::string& protocol = "802.1Q");
Interface add_macvlan(const Interface& parent, const Netns& netns, const std::string& name);

// Whether the kernel knows devices of this type: "vlan", "macvlan", "wireguard" ...
bool have_link_type(const std::string& type);

// A device without Ethernet headers whose other end is this object.
class Tun {
  public:
    Tun(const Netns& netns, const std::string& name);

    [[nodiscard]] const Interface& interface() const { return interface_; }
    void send(const Bytes& packet) const; // arrives on the interface
    [[nodiscard]] std::optional<Bytes> receive(int timeout_ms = 1000) const; // what left by it

  private:
    Interface interface_;
    Fd fd_;
};

} // namespace bpfport::test
