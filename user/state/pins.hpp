// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The names of pins in the store's directories; the only place where they are spelled.
#pragma once

namespace bpfport::pins {

// Every directory.
inline constexpr const char* kMeta = "meta";

// netns-<inode>/: maps and programs that the attachments of a network namespace share.
inline constexpr const char* kTable = "table";
inline constexpr const char* kRules = "rules";
inline constexpr const char* kSpans = "spans";
inline constexpr const char* kAddresses = "addresses";
inline constexpr const char* kCounters = "counters";
inline constexpr const char* kOutcomes = "outcomes";
inline constexpr const char* kEvents = "events";
inline constexpr const char* kRecords = "records";
inline constexpr const char* kHints = "hints";
inline constexpr const char* kUdpFlows = "udp_flows";
inline constexpr const char* kForwardTcp = "forward_tcp";
inline constexpr const char* kForwardUdp = "forward_udp";
inline constexpr const char* kListeners = "listeners";
inline constexpr const char* kGroups = "groups";
inline constexpr const char* kLastLocal = "last_local";   // bp_last_local in bpf/lib/flows.h
inline constexpr const char* kFragments = "fragments";    // bp_fragments in bpf/lib/reply.h
inline constexpr const char* kCookies = "cookies";        // bp_cookies in bpf/lib/cookies.h
inline constexpr const char* kXdpDevices = "xdp_devices"; // interfaces whose packets XDP sees first
inline constexpr const char* kTcIn = "tc_in";
inline constexpr const char* kTcOut = "tc_out";
inline constexpr const char* kTcInL3 = "tc_in_l3";
inline constexpr const char* kTcOutL3 = "tc_out_l3";

// tc-<inode>-<ifindex>/
inline constexpr const char* kLinkIn = "in";
inline constexpr const char* kLinkOut = "out";
inline constexpr const char* kLinkXdp = "xdp";

// sklookup-<inode>/; its hooks' are in state/sklookup_attachment.hpp.
inline constexpr const char* kFind = "find";

// cgroup-<id>/; the hooks' are in kCgroupHooks.
inline constexpr const char* kPolicy = "policy";
inline constexpr const char* kCalls = "calls";     // bp_policy_counters by entry
inline constexpr const char* kBound = "bound";     // in sockets: bp_bound
inline constexpr const char* kPending = "pending"; // in sockets: from bind to post_bind

// host/: what the programs of all cgroups share.
inline constexpr const char* kHostEvents = "events";     // ring buffer of bp_event
inline constexpr const char* kHostLease = "lease";       // bp_trace_lease
inline constexpr const char* kOrigPorts = "orig_ports";  // in sockets: bp_orig_ports
inline constexpr const char* kLocals = "local_prefixes"; // by network namespace
inline constexpr const char* kSocknameSet =
    "sockname_set"; // in sockets: their cgroup's rule answers

// local_clients/ and guard/
inline constexpr const char* kPortBitmap = "ports"; // bp_port_bitmap
inline constexpr const char* kClaims = "claims";
inline constexpr const char* kGuards = "guards";

} // namespace bpfport::pins
