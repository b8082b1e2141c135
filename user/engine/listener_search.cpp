// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/listener_search.hpp"

#include <arpa/inet.h>

#include <cerrno>
#include <cstring>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "kernel/map.hpp"
#include "rule/raw_protocol.hpp"

namespace bpfport {

namespace {

constexpr std::size_t kLinkHeader = 14;
// Which member of a SO_REUSEPORT group answers depends on the port asked from; eight were found in
// 42 tries, a full group of BP_GROUP_MEMBERS takes some 700. A group whose members a program
// chooses may hide some for ever.
constexpr unsigned kTries = 4096;

struct Frame {
    std::array<std::byte, kLinkHeader> link{}; // to 00:00:00:00:00:00, which is lo's
    bp_find find{};
} __attribute__((packed));

bp_listener_key key_of(const bp_find& find) {
    bp_listener_key key{};
    std::memcpy(key.address, find.address, sizeof(key.address));
    key.port = find.port;
    key.proto = find.proto;
    key.member = find.member;
    return key;
}

} // namespace

std::string why_refused(const RefusedListener& refusal) {
    switch (refusal.error) {
    case EOPNOTSUPP:
        return "what listens there uses Multipath TCP, which can't be steered to";
    case EBUSY:
        return "what listens there is the kernel's own (WireGuard, VXLAN, NFS), or is in use by "
               "another part of it, and can't be steered to";
    case E2BIG:
    case ENOSPC:
        return fmt::format("{} sockets listen on targets already, which is all there is room for",
                           BP_MAX_LISTENERS);
    default:
        return fmt::format("what listens there can't be steered to ({})",
                           std::strerror(refusal.error));
    }
}

Result<ListenerSearch> ListenerSearch::begin(Fd find, Fd listeners, Fd groups) {
    ListenerSearch search(std::move(find), std::move(listeners));
    for (const auto& key : keys_of<bp_listener_key>(search.listeners_))
        if (auto known = search.cookie(key)) search.known_.insert(known);
    search.sweep_groups(groups);
    return search;
}

bool ListenerSearch::lives(bp_listener_key group, std::uint32_t end) const {
    for (std::uint32_t member = 0; member < end; member++) {
        group.member = static_cast<__u8>(member);
        if (cookie(group)) return true;
    }
    return false;
}

// Sockets leave `listeners` by themselves, groups don't. A member that joins in this very moment
// finds its group again.
void ListenerSearch::sweep_groups(const Fd& groups) const {
    for (const auto& group : keys_of<bp_listener_key>(groups)) {
        std::uint32_t value = 0;
        if (lives(group, BP_GROUP_MEMBERS)) continue;
        if (bpf_map_lookup_elem(groups.get(), &group, &value) != 0) continue;
        bpf_map_delete_elem(groups.get(), &group);
        if (lives(group, BP_GROUP_MEMBERS))
            bpf_map_update_elem(groups.get(), &group, &value, BPF_NOEXIST);
    }
}

std::uint64_t ListenerSearch::cookie(const bp_listener_key& key) const {
    std::uint64_t value = 0;
    return bpf_map_lookup_elem(listeners_.get(), &key, &value) == 0 ? value : 0;
}

Result<void> ListenerSearch::ask(bp_find& question, unsigned ifindex) const {
    Frame in, out;
    in.find = question;
    __sk_buff context{};
    context.ifindex = ifindex;
    LIBBPF_OPTS(bpf_test_run_opts, run);
    run.data_in = &in;
    run.data_size_in = sizeof(in);
    run.data_out = &out;
    run.data_size_out = sizeof(out);
    if (ifindex) {
        run.ctx_in = &context;
        run.ctx_size_in = sizeof(context);
    }
    if (bpf_prog_test_run_opts(find_.get(), &run) != 0) return system_error("look for listeners");
    question = out.find;
    return {};
}

// False: it was in the map already, so what was just made goes again.
bool ListenerSearch::keep(const bp_find& answer) {
    auto key = key_of(answer);
    auto kept = cookie(key);
    if (!kept) return true; // closed since
    if (known_.insert(kept).second) return true;
    bpf_map_delete_elem(listeners_.get(), &key);
    return false;
}

Result<bool> ListenerSearch::put(const Socket& socket) {
    for (unsigned tries = 0; tries < kTries && !known_.contains(socket.cookie); tries++) {
        bp_find find{};
        std::memcpy(find.address, socket.local.bytes.data(), sizeof(find.address));
        find.port = htons(socket.local_port);
        find.peer_port = htons(static_cast<std::uint16_t>(1 + tries));
        find.proto = raw_protocol(socket.protocol);
        if (auto asked = ask(find, socket.ifindex); !asked) return std::unexpected(asked.error());
        if (!find.found) return false;
        if (find.error == 0) {
            (void)keep(find);
        } else if (find.error == -EEXIST) {
            return true; // no slot is free: its group is served through those that have one
        } else {
            refused_.push_back({socket.protocol, socket.local_port, -find.error, socket.local});
            return false;
        }
    }
    return known_.contains(socket.cookie);
}

} // namespace bpfport
