// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "trace/packet_run.hpp"

#include <arpa/inet.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cstring>
#include <tuple>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "bpfport/flow.h"

namespace bpfport {

namespace {

// The flow a packet belongs to, as the maps have it.
bp_flow_key key_of(const FrameView& view, bool outgoing, std::uint16_t target) {
    bp_flow_key key{};
    const Address& peer = outgoing ? view.destination : view.source;
    const Address& local = outgoing ? view.source : view.destination;
    std::memcpy(key.peer, peer.bytes.data(), sizeof(key.peer));
    std::memcpy(key.local, local.bytes.data(), sizeof(key.local));
    key.peer_port = htons(outgoing ? view.destination_port : view.source_port);
    key.target_port = htons(target);
    return key;
}

// One entry of a flow map: seen before, and put back afterwards.
class FlowGuard {
  public:
    FlowGuard(Fd map, bp_flow_key key) : map_(std::move(map)), key_(key), before_(read()) {}

    [[nodiscard]] bool known() const { return before_ && before_->listen_port; }

    void restore(PacketDecision& decision) const {
        auto after = read();
        bool same = before_.has_value() == after.has_value() &&
                    (!after || std::memcmp(&*after, &*before_, sizeof(*after)) == 0);
        if (same) return;
        decision.flow_made = !before_;
        decision.flow_changed = before_.has_value();
        if (before_)
            bpf_map_update_elem(map_.get(), &key_, &*before_, BPF_ANY);
        else
            bpf_map_delete_elem(map_.get(), &key_);
    }

  private:
    [[nodiscard]] std::optional<bp_flow> read() const {
        bp_flow flow{};
        if (bpf_map_lookup_elem(map_.get(), &key_, &flow) != 0) return std::nullopt;
        return flow;
    }
    Fd map_;
    bp_flow_key key_;
    std::optional<bp_flow> before_;
};

// A page less what the kernel keeps of it (BPF_PROG_TEST_RUN of an skb); 4 kB pages.
constexpr std::size_t kMostBytes = 3500;

Result<Frame> test_run(const Fd& program, const Interface& interface, const Frame& frame,
                       int& action) {
    Frame out(frame.size() + 256);
    __sk_buff context{};
    context.ifindex = interface.ifindex;
    LIBBPF_OPTS(bpf_test_run_opts, options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<__u32>(frame.size());
    options.data_out = out.data();
    options.data_size_out = static_cast<__u32>(out.size());
    options.ctx_in = &context;
    options.ctx_size_in = sizeof(context);
    if (int error = bpf_prog_test_run_opts(program.get(), &options); error != 0)
        return system_error(
            fmt::format("run a packet of {} bytes through the program", frame.size()), -error,
            frame.size() < 14 ? "a frame needs an Ethernet header"
            : frame.size() > kMostBytes
                ? "the kernel runs frames of up to about 3,700 bytes; capture with -s 256, or with "
                  "segmentation and receive offloads off"
                : "the kernel takes no such frame");
    action = static_cast<int>(options.retval);
    out.resize(options.data_size_out);
    return out;
}

bool is_of(const bp_event& event, const FrameView& view, bool outgoing) {
    auto same = [](const __u8(&bytes)[16], const Address& address) {
        return std::memcmp(bytes, address.bytes.data(), sizeof(bytes)) == 0;
    };
    const Address& peer = outgoing ? view.destination : view.source;
    Address none{};
    return same(event.peer, peer) || same(event.peer, none); // a malformed one has no addresses
}

} // namespace

std::optional<InstalledRule> match_rule(const std::vector<InstalledRule>& rules, Protocol protocol,
                                        unsigned ifindex, const Address& local,
                                        std::uint16_t listen_port) {
    std::optional<InstalledRule> best;
    auto special = [](const InstalledRule& rule) {
        return std::tuple(rule.rule.local().has_value(), rule.ifindex != 0);
    };
    for (const auto& rule : rules) {
        if (rule.rule.protocol() != protocol || !rule.rule.listen().contains(listen_port)) continue;
        if (rule.ifindex && rule.ifindex != ifindex) continue;
        if (rule.rule.local() && *rule.rule.local() != local) continue;
        if (!best || special(rule) > special(*best)) best = rule;
    }
    return best;
}

Result<PacketDecision> run_packet(Tracer& tracer, const Interface& interface, const Frame& frame,
                                  bool outgoing) {
    PacketDecision decision;
    decision.outgoing = outgoing;
    decision.before = view_frame(frame);
    auto rules = tracer.instance()->table().rules();
    const FrameView& view = decision.before;
    std::optional<FlowGuard> guard;
    if (view.protocol) {
        std::uint16_t target = outgoing ? view.source_port : view.destination_port;
        if (!outgoing)
            decision.rule = match_rule(rules, *view.protocol, interface.ifindex, view.destination,
                                       view.destination_port);
        if (decision.rule) target = decision.rule->rule.target_of(view.destination_port);
        auto map = tracer.instance()->open_pin(*view.protocol == Protocol::kTcp ? pins::kHints
                                                                                : pins::kUdpFlows);
        if (!map) return std::unexpected(map.error());
        guard.emplace(std::move(*map), key_of(view, outgoing, target));
        decision.flow_known = guard->known();
    }
    auto program = tracer.instance()->open_pin(outgoing ? pins::kTcOut : pins::kTcIn);
    if (!program) return std::unexpected(program.error());
    Tracer::Visit keep = [&](const bp_event& event) {
        if (is_of(event, view, outgoing)) decision.events.push_back(event);
    };
    if (auto drained = tracer.poll(std::chrono::milliseconds(0), [](const bp_event&) {}); !drained)
        return std::unexpected(drained.error());
    auto after = test_run(*program, interface, frame, decision.action);
    if (guard) guard->restore(decision);
    if (!after) return std::unexpected(after.error());
    if (auto read = tracer.read(keep); !read) return std::unexpected(read.error());
    decision.after = view_frame(*after);
    for (const auto& event : decision.events)
        if (auto rule = std::ranges::find(rules, event.rule, &InstalledRule::id);
            event.rule && !decision.rule && rule != rules.end())
            decision.rule = *rule;
    return decision;
}

} // namespace bpfport
