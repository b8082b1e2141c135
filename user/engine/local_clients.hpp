// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Claims: which listen ports of cgroups the other programs of a network namespace reach. Worked out
// anew from all attachments after each change, so a command that was killed leaves nothing wrong
// for longer than until the next.
//
// A listen port that one cgroup alone claims is reached by all; one that several claim by none but
// each by its own: nobody could say which is meant.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "bpfport/root_cgroup.h"
#include "state/cgroup_attachment.hpp"
#include "state/store.hpp"

namespace bpfport {

struct Claim {
    std::uint64_t cgroup = 0;
    std::uint16_t target = 0;
};
struct ClaimOrder {
    bool operator()(const bp_claim_key& left, const bp_claim_key& right) const;
};
// By listen port, address and namespace: who claims it.
using Claims = std::map<bp_claim_key, std::vector<Claim>, ClaimOrder>;

bp_claim_key claim_key(const PolicyRule& rule, std::uint16_t port);
std::uint64_t netns_of(const bp_claim_key& key); // its cookie
Claims claims_of(const std::vector<CgroupAttachment>& attachments);

// The kernel's claims are those of the store's attachments afterwards; the current network
// namespace's local addresses are noted anew.
Result<void> reconcile_local_clients(Store& store);

struct ClaimCount {
    std::uint64_t connects = 0;
    std::uint64_t datagrams = 0;
};
// What neighbours sent to this cgroup's listen ports, by key. Empty when nothing is claimed.
std::map<bp_claim_key, ClaimCount, ClaimOrder> claim_counts(const Store& store);

// Local addresses of the current network namespace, which has claims, that are not noted yet: connects
// to them are left alone until the next command that changes things.
std::vector<std::string> unserved_addresses(const Store& store);
// The other way round: what has left this host since, and is still taken for its own.
std::vector<std::string> departed_addresses(const Store& store);

} // namespace bpfport
