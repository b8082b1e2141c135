// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The JSON of `nft -j list ruleset`, and what is made of it.
#include "judged.hpp"

namespace bpfport {

void fuzz(Bytes input) {
    auto firewall = parse_nft(text_of(input));
    if (!firewall) {
        require(!firewall.error().message.empty(), "an error has a message");
        return;
    }
    require_valid(*firewall);
    require_judged(*firewall);
}

} // namespace bpfport
