// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What iptables-save prints, and what is made of it.
#include "judged.hpp"

namespace bpfport {

void fuzz(Bytes input) {
    for (bool ipv6 : {false, true}) {
        Firewall firewall = parse_iptables_save(text_of(input), ipv6);
        for (const auto& chain : firewall)
            require(chain.family == (ipv6 ? "ip6" : "ip"), "a listing is of one family");
        require_valid(firewall);
        require_judged(firewall);
    }
}

} // namespace bpfport
