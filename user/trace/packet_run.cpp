// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "trace/packet_run.hpp"

#include <arpa/inet.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <set>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "bpfport/flow.h"

namespace bpfport {

namespace {

// The flow of a packet whose port on this host leads to `target`, as the maps have it.
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

std::uint16_t own_port(const FrameView& view, bool outgoing) {
    return outgoing ? view.source_port : view.destination_port;
}

// The ports that the flow may be remembered under: the packet's own, and where rules send it.
std::set<std::uint16_t> possible_targets(const std::vector<RuleSpec>& rules, const FrameView& view,
                                         bool outgoing) {
    const std::uint16_t port = own_port(view, outgoing);
    std::set<std::uint16_t> targets{port};
    for (const auto& rule : rules) {
        auto [first, last] = rule.rule.listen();
        if (rule.rule.protocol() != *view.protocol || port < first || port > last) continue;
        targets.insert(rule.rule.target_of(port));
        if (rule.old_target_first)
            targets.insert(
                static_cast<std::uint16_t>(rule.old_target_first + rule.rule.offset_of(port)));
    }
    return targets;
}

// What a flow table holds by a key: the bytes of a value, of which there are as many as the map says;
// empty: it has none. All values of flow tables but last_local's begin with a bp_flow.
class FlowTable {
  public:
    static Result<FlowTable> open(const Instance& instance, const char* pin) {
        auto map = instance.open_pin(pin);
        if (!map) return std::unexpected(map.error());
        auto info = map_info(*map, pin);
        if (!info) return std::unexpected(info.error());
        return FlowTable(std::move(*map), info->value_size);
    }
    [[nodiscard]] std::vector<std::byte> read(const bp_flow_key& key) const {
        std::vector<std::byte> value(value_size_);
        if (bpf_map_lookup_elem(map_.get(), &key, value.data()) != 0) value.clear();
        return value;
    }
    void write(const bp_flow_key& key, const std::vector<std::byte>& value) const {
        if (value.empty())
            bpf_map_delete_elem(map_.get(), &key);
        else
            bpf_map_update_elem(map_.get(), &key, value.data(), BPF_ANY);
    }

  private:
    FlowTable(Fd map, std::size_t value_size) : map_(std::move(map)), value_size_(value_size) {}
    Fd map_;
    std::size_t value_size_;
};

// An entry of a flow table: read before the packet, and put back afterwards.
class FlowEntry {
  public:
    FlowEntry(const FlowTable& table, const bp_flow_key& key)
        : table_(&table), key_(key), before_(table.read(key)) {}

    void restore(PacketDecision& decision) const {
        if (before_ == table_->read(key_)) return;
        decision.flow_made |= before_.empty();
        decision.flow_changed |= !before_.empty();
        table_->write(key_, before_);
    }

  private:
    const FlowTable* table_;
    bp_flow_key key_;
    std::vector<std::byte> before_;
};

// All that a packet may make or change in the flow tables, whatever the programs decide.
class FlowGuard {
  public:
    static Result<FlowGuard> begin(const Instance& instance, const FrameView& view, bool outgoing) {
        const bool tcp = *view.protocol == Protocol::kTcp;
        FlowGuard guard;
        for (const char* pin : {tcp ? pins::kHints : pins::kUdpFlows,
                                tcp ? pins::kForwardTcp : pins::kForwardUdp, pins::kLastLocal}) {
            auto table = FlowTable::open(instance, pin);
            if (!table) return std::unexpected(table.error());
            guard.tables_.push_back(std::move(*table));
        }
        for (auto target : possible_targets(instance.table().rules(), view, outgoing)) {
            auto key = key_of(view, outgoing, target);
            for (const FlowTable* table : {&guard.tables_[0], &guard.tables_[1]})
                guard.entries_.emplace_back(*table, key);
            std::ranges::fill(key.local, __u8{0});
            if (!tcp) guard.entries_.emplace_back(guard.tables_[2], key);
        }
        return guard;
    }

    [[nodiscard]] bool knows(const bp_flow_key& key) const {
        return std::ranges::any_of(tables_, [&](const FlowTable& table) {
            bp_flow flow{};
            if (&table == &tables_.back()) return false;
            auto value = table.read(key);
            if (!value.empty()) std::memcpy(&flow, value.data(), sizeof(flow));
            return flow.listen_port != 0;
        });
    }
    void restore(PacketDecision& decision) const {
        for (const auto& entry : entries_) entry.restore(decision);
        if (decision.flow_changed) decision.flow_made = false;
    }

  private:
    std::deque<FlowTable> tables_;
    std::vector<FlowEntry> entries_;
};

// The rule of a packet that arrives. On lo the programs look its address up in their list.
std::optional<RuleSpec> find_rule(const Instance& instance, const std::vector<RuleSpec>& rules,
                                  const FrameView& view, unsigned ifindex) {
    ArrivingPacket packet{*view.protocol, view.destination_port, view.destination, ifindex, 0,
                          view.source,    view.source_port};
    if (auto addresses = instance.open_pin(pins::kAddresses))
        (void)bpf_map_lookup_elem(addresses->get(), view.destination.bytes.data(), &packet.owner);
    auto found = std::ranges::find(rules, instance.table().find(packet), &RuleSpec::id);
    return found == rules.end() ? std::nullopt : std::optional(*found);
}

constexpr int kGoesOn = -1; // TC_ACT_UNSPEC

// The rule, and those that share its listen ports by weight: a flow stays with the rule that it began with,
// whichever one a new flow gets.
std::vector<RuleSpec> sharing_with(const RuleSpec& rule, const std::vector<RuleSpec>& rules) {
    std::vector<RuleSpec> sharing{rule};
    for (const auto& other : rules)
        if (other.id != rule.id && other.shares_with(rule)) sharing.push_back(other);
    return sharing;
}

// A page less what the kernel keeps of it (BPF_PROG_TEST_RUN of an skb); 4 kB pages. Linux 7.2
// runs 70,000 bytes, and says ENOMEM of 200,000.
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
    if (int error = bpf_prog_test_run_opts(program.get(), &options); error != 0) {
        const bool is_long = frame.size() > kMostBytes;
        return system_error(
            fmt::format("run a packet of {} bytes through the program", frame.size()),
            is_long && error == -ENOMEM ? EINVAL : -error,
            frame.size() < 14 ? "a frame needs an Ethernet header"
            : is_long
                ? "the kernel runs frames of up to about 3,700 bytes (Linux 7.2: 70,000); capture "
                  "with -s 256, or with segmentation and receive offloads off"
                : "the kernel takes no such frame");
    }
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

Result<PacketDecision> run_packet(Tracer& tracer, const Interface& interface, const Frame& frame,
                                  bool outgoing) {
    PacketDecision decision;
    decision.outgoing = outgoing;
    decision.before = view_frame(frame);
    const Instance& instance = *tracer.instance();
    const auto rules = instance.table().rules();
    const FrameView& view = decision.before;
    std::vector<RuleSpec> sharing;
    std::optional<FlowGuard> guard;
    if (view.protocol) {
        if (!outgoing) decision.rule = find_rule(instance, rules, view, interface.ifindex);
        if (decision.rule) sharing = sharing_with(*decision.rule, rules);
        auto begun = FlowGuard::begin(instance, view, outgoing);
        if (!begun) return std::unexpected(begun.error());
        guard = std::move(*begun);
        decision.flow_known =
            sharing.empty() ? guard->knows(key_of(view, outgoing, own_port(view, outgoing)))
                            : std::ranges::any_of(sharing, [&](const RuleSpec& one) {
                                  const auto target = one.rule.target_of(view.destination_port);
                                  return guard->knows(key_of(view, outgoing, target));
                              });
    }
    auto program = instance.open_pin(outgoing ? pins::kTcOut : pins::kTcIn);
    if (!program && program.error().code == ENOENT) { // no rule here needs to see packets
        decision.action = kGoesOn;
        decision.after = decision.before;
        return decision;
    }
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
    for (const auto& one : sharing)
        if (one.rule.target_of(view.destination_port) == decision.after.destination_port)
            decision.rule = one;
    for (const auto& event : decision.events)
        if (auto rule = std::ranges::find(rules, event.rule, &RuleSpec::id);
            event.rule && !decision.rule && rule != rules.end())
            decision.rule = *rule;
    return decision;
}

} // namespace bpfport
