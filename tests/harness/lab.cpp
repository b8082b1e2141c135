// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "harness/lab.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "bpfport/meta.h"
#include "bpfport/outcome.h"
#include "engine/instance_maps.hpp"
#include "engine/registry.hpp"
#include "harness/sweep.hpp"
#include "kernel/bpf.hpp"
#include "state/instance.hpp"

namespace bpfport::test {
namespace {

namespace fs = std::filesystem;

template <typename T> T must(Result<T> result, std::string_view what) {
    if (!result) throw std::runtime_error(fmt::format("{}: {}", what, result.error().message));
    return std::move(*result);
}

void must(const Result<void>& result, std::string_view what) {
    if (!result)
        throw std::runtime_error(
            fmt::format("{}: {} {}", what, result.error().message, result.error().hint));
}

// Loads below a directory in bpffs, opens every pin and removes the directory.
std::map<std::string, Fd, std::less<>> load_pins(TcObject object, TableCapacity capacity) {
    const fs::path directory = fs::path("/sys/fs/bpf") / unique_name();
    if (::mkdir(directory.c_str(), 0700) != 0)
        throw std::runtime_error("create " + directory.string() + ": " + error_text(errno));
    const MapSizes small{4096, 4096, 4096, capacity};
    auto loaded = load_tc_object(directory, {.sizes = small, .choice = object});
    if (loaded)
        loaded = load_tc_object(
            directory, {.layer = LinkLayer::kNone, .keep_maps = directory, .choice = object});
    std::map<std::string, Fd, std::less<>> pins;
    for (const auto& entry : fs::directory_iterator(directory))
        if (auto fd = open_pin(entry.path()))
            pins.emplace(entry.path().filename().native(), std::move(*fd));
    fs::remove_all(directory);
    must(std::move(loaded), "load");
    return pins;
}

void empty(const Fd& map) {
    const bpf_map_info info = [&] {
        bpf_map_info found{};
        std::uint32_t size = sizeof(found);
        bpf_obj_get_info_by_fd(map.get(), &found, &size);
        return found;
    }();
    Bytes key(info.key_size);
    while (bpf_map_get_next_key(map.get(), nullptr, key.data()) == 0)
        bpf_map_delete_elem(map.get(), key.data());
}

template <typename T> std::vector<T> per_cpu(const Fd& map, std::uint32_t key) {
    std::vector<T> values(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    if (bpf_map_lookup_elem(map.get(), &key, values.data()) != 0)
        throw std::runtime_error("read a per-CPU map: " + error_text(errno));
    return values;
}

template <typename T> void zero_per_cpu(const Fd& map, std::uint32_t entries) {
    const std::vector<T> zero(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    for (std::uint32_t key = 0; key < entries; ++key)
        bpf_map_update_elem(map.get(), &key, zero.data(), BPF_ANY);
}

RuleSpec spec_of(const LabRule& rule) {
    auto parsed = must(parse_rules(rule.text), rule.text);
    if (parsed.size() != 1) throw std::runtime_error("one rule at a time");
    return {0,          parsed.front(), rule.ifindex,         BP_ENGINE_TC,
            rule.flags, rule.on_absent, rule.old_target_first};
}

} // namespace

Lab::Lab(TcObject object, TableCapacity capacity) {
    cable_.emplace(netns_, "eth0", netns_, "peer0");
    netns_.ip("link set eth0 address 02:00:00:00:00:02");
    cable_->a.add_address("192.0.2.2/24").add_address("2001:db8::2/64");
    eth0_ = cable_->a.index();
    pins_ = netns_.run([&] { return load_pins(object, capacity); });
    const auto copy = [&](const char* pin) { return Fd(::dup(pins_.at(pin).get())); };
    auto maps =
        must(TableMaps::of(copy(pins::kTable), copy(pins::kRules), copy(pins::kSpans)), "table");
    table_.emplace(must(Table::open(maps, true), "table"));
}

void Lab::rules(const std::vector<LabRule>& rules) {
    std::vector<RuleSpec> wanted;
    for (const auto& rule : rules) {
        wanted.push_back(spec_of(rule));
        for (const auto& known : rules_)
            if (known.rule.with_weight({}) == wanted.back().rule.with_weight({}) &&
                known.ifindex == rule.ifindex)
                wanted.back().id = known.id;
    }
    must(table_->commit(must(table_->plan(wanted, slot_bits), "plan")), "rules");
    rules_ = wanted;
}

bool Lab::has_rule(std::string_view text) const {
    const Rule wanted = must(parse_rules(text), text).front();
    return std::ranges::find(rules_, wanted, &RuleSpec::rule) != rules_.end();
}

std::uint16_t Lab::rule_id(std::string_view text) const {
    const Rule wanted = must(parse_rules(text), text).front();
    const auto known = std::ranges::find(rules_, wanted, &RuleSpec::rule);
    if (known == rules_.end()) throw std::runtime_error(fmt::format("no rule {}", text));
    return known->id;
}

TestRun Lab::run(const char* program, const Bytes& frame, const TestRunOptions& options) const {
    return netns_.run(
        [&] { return must(test_run(pins_.at(program).get(), frame, options), "run"); });
}

TestRun Lab::in(const Bytes& frame) const {
    __sk_buff skb{};
    skb.ifindex = skb.ingress_ifindex = eth0_;
    return run(pins::kTcIn, frame, {.skb = skb});
}

TestRun Lab::out(const Bytes& frame) const {
    __sk_buff skb{};
    skb.ifindex = eth0_;
    return run(pins::kTcOut, frame, {.skb = skb});
}

TestRun Lab::in_lo(const Bytes& frame) const { return run(pins::kTcIn, frame, {}); }

TestRun Lab::out_lo(const Bytes& frame) const { return run(pins::kTcOut, frame, {}); }

std::uint64_t Lab::outcome(unsigned outcome) const {
    std::uint64_t sum = 0;
    for (const std::uint64_t n : per_cpu<std::uint64_t>(pins_.at(pins::kOutcomes), outcome))
        sum += n;
    return sum;
}

std::string Lab::outcomes() const {
    static constexpr const char* kLabels[] = {
#define BP_LABEL(name, label, text) label,
        BP_OUTCOMES(BP_LABEL)
#undef BP_LABEL
    };
    std::string out;
    for (unsigned i = 0; i < BP_OUTCOME_COUNT; ++i)
        if (const std::uint64_t n = outcome(i); n != 0)
            out += fmt::format("{}{} {}", out.empty() ? "" : ", ", kLabels[i], n);
    return out;
}

bp_counters Lab::counters(std::string_view rule) const {
    bp_counters sum{};
    for (const auto& c : per_cpu<bp_counters>(pins_.at(pins::kCounters), rule_id(rule))) {
        sum.packets_in += c.packets_in;
        sum.bytes_in += c.bytes_in;
        sum.packets_out += c.packets_out;
        sum.bytes_out += c.bytes_out;
        sum.connections += c.connections;
    }
    return sum;
}

void Lab::forget() const {
    for (const char* pin : {pins::kHints, pins::kUdpFlows, pins::kLastLocal, pins::kFragments,
                            pins::kForwardTcp, pins::kForwardUdp})
        empty(pins_.at(pin));
    zero_per_cpu<bp_counters>(pins_.at(pins::kCounters), table_->capacity().rules);
    zero_per_cpu<std::uint64_t>(pins_.at(pins::kOutcomes), BP_OUTCOME_COUNT);
}

void Lab::own(const Address& address, unsigned ifindex) const {
    const ByteView bytes = address.bytes();
    std::array<std::uint8_t, 16> key = address.is_ipv6()
                                           ? bpfport::Address::from_v6(bytes.data()).bytes
                                           : bpfport::Address::from_v4(bytes.data()).bytes;
    const std::uint32_t owner = ifindex;
    bpf_map_update_elem(pins_.at(pins::kAddresses).get(), key.data(), &owner, BPF_ANY);
}

} // namespace bpfport::test
