// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Oracle: what must become of a frame, said a second time. It knows the rules and the flows that
// frames have made so far, reads frames with the tests' own parser, and shares no line with the
// programs. No sockets and no routes: every address of this host is local, nobody holds a tuple.
#pragma once

#include <compare>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/address.hpp"
#include "harness/bytes.hpp"

namespace bpfport::test {

// Addresses whose leading bits are the same.
struct OraclePrefix {
    Address address{};
    unsigned bits = 128;

    [[nodiscard]] bool has(const Address& other) const;
};

struct OracleRule {
    bool udp = false;
    std::uint16_t listen_first = 0;
    std::uint16_t listen_last = 0;
    std::uint16_t target_first = 0;
    bool vlan = false;
    std::optional<OraclePrefix> local{};
    bool one_target = false; // all listen ports go to target_first
    // Where rules share a port the client decides about each packet; of the only one on a port it decides
    // about what begins.
    std::vector<OraclePrefix> clients{}; // none: all
    std::vector<OraclePrefix> not_clients{};
    bool only = false;

    [[nodiscard]] unsigned target(unsigned listen) const {
        return one_target ? target_first : target_first + listen - listen_first;
    }
    [[nodiscard]] bool is_for(const Address& client) const;
};

// What a frame comes out as, and why, for messages.
struct Answer {
    Bytes frame;
    std::string why;
    bool dropped = false;
};

struct Reading; // of an IP header

class Oracle {
  public:
    // Rules: the most special first.
    Oracle(std::vector<OracleRule> rules, Bytes own_mac)
        : rules_(std::move(rules)), own_mac_(std::move(own_mac)) {}

    // How a frame is offloaded. kToBeCut: a super-packet of this host's, whose UDP checksum field
    // holds the pseudo-header's sum, in which ports don't count.
    enum class Offload { kNone, kToBeCut };

    // Both make flows.
    Answer in(const Bytes& frame);
    Answer out(const Bytes& frame, Offload offload = Offload::kNone);
    void forget() { *this = Oracle(rules_, own_mac_); }

  private:
    // The peer and the local end, and the port on which that is served.
    struct Flow {
        bool udp;
        std::string peer, local;
        unsigned peer_port, target;
        auto operator<=>(const Flow&) const = default;
    };
    struct Use {
        unsigned listen; // the port that the peer sees; 0: it talks to `goes` directly
        unsigned goes;
    };
    struct Datagram { // in fragments
        std::string src, dst;
        unsigned id;
        auto operator<=>(const Datagram&) const = default;
    };

    [[nodiscard]] const OracleRule* rule_for(bool udp, const Address& to, const Address& peer,
                                             unsigned port) const;
    [[nodiscard]] bool is_target(bool udp, unsigned port) const;
    Answer in_direct(const Bytes& frame, const Reading& ip, const Flow& flow);
    [[nodiscard]] Answer out_as_asked(const Bytes& frame, const Reading& ip, Offload offload);
    [[nodiscard]] Answer out_later_fragment(const Bytes& frame) const;
    void note_own(const Reading& ip, unsigned sport, unsigned dport);
    [[nodiscard]] Answer in_error(const Bytes& frame, const Reading& error) const;
    [[nodiscard]] Answer out_error(const Bytes& frame, const Reading& error) const;

    std::vector<OracleRule> rules_;
    Bytes own_mac_;
    std::map<Flow, Use> flows_;
    std::map<Flow, Address> asked_;   // of a UDP flow without `local`: where it was begun last
    std::map<Datagram, Address> cut_; // the address that the first fragment got
};

} // namespace bpfport::test
