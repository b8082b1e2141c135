// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bench_prog: what each tc program costs a packet, in nanoseconds above an empty program.
//
// The programs that ship are run by BPF_PROG_TEST_RUN on one frame, over and over (frame.bpf.c sets
// it back). For each case the empty program and the subject take turns in short runs, so that what
// else the machine does falls on both; the figure is the median of the differences, then the middle
// half of them. Caches are warm: it is the cost of the instructions, not of a miss.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "harness/lab.hpp"
#include "harness/model.hpp"
#include "state/instance.hpp"

#include "bench_frame.skel.h" // wants bpfport/flow.h before it

namespace bpfport::test {
namespace {

enum class Peer { kStranger, kClient }; // kClient: of port 80, which goes to 3000

struct Case {
    const char* name;
    const char* program;
    bool ipv6;
    bool udp;
    Peer peer;
    bool record; // the way out: the socket has a record; else by the hint
};

constexpr std::uint16_t kListen = 80, kTarget = 3000, kClientPort = 40000;

// The name of what is measured, then the program and the frame it is given.
const std::vector<Case> kCases = [] {
    std::vector<Case> cases;
    for (const bool udp : {false, true})
        for (const bool ipv6 : {false, true}) {
            cases.push_back({"in, unmatched", pins::kTcIn, ipv6, udp, Peer::kStranger, false});
            cases.push_back({"in, matched", pins::kTcIn, ipv6, udp, Peer::kClient, false});
            cases.push_back({"out, unmatched", pins::kTcOut, ipv6, udp, Peer::kStranger, false});
            if (!udp)
                cases.push_back({"out, by record", pins::kTcOut, ipv6, udp, Peer::kClient, true});
            cases.push_back({udp ? "out, by flow" : "out, by hint", pins::kTcOut, ipv6, udp,
                             Peer::kClient, false});
        }
    return cases;
}();

Bytes frame_of(const Case& c) {
    const bool out = c.program == std::string_view(pins::kTcOut);
    const std::uint16_t server = c.peer == Peer::kStranger ? 8080 : out ? kTarget : kListen;
    const std::uint16_t sport = out ? server : kClientPort, dport = out ? kClientPort : server;
    const Address from = out ? Lab::address(c.ipv6) : Lab::peer(c.ipv6);
    const Address to = out ? Lab::peer(c.ipv6) : Lab::address(c.ipv6);
    Packet packet = Lab::ethernet();
    if (c.ipv6)
        packet.append(Ipv6{.src = from, .dst = to});
    else
        packet.append(Ipv4{.src = from, .dst = to});
    if (c.udp)
        packet.append(Udp{.sport = sport, .dport = dport});
    else
        packet.append(Tcp{.sport = sport, .dport = dport});
    return packet.append(Payload(64)).build();
}

template <typename T> T read(const Bytes& frame, std::size_t at) {
    T value;
    std::memcpy(&value, frame.data() + at, sizeof(value));
    return value;
}

struct Destroy {
    void operator()(bench_frame_bpf* skeleton) const { bench_frame_bpf::destroy(skeleton); }
};

// The rules of a lab: one for each protocol, besides any number on other ports; or a port that rules
// for so many addresses of each family share, the lab's own among them; or two targets by weight.
struct Rules {
    const char* name;
    unsigned elsewhere, addresses;
    bool weights = false;
};
constexpr std::array<Rules, 4> kRules{{{"one rule", 0, 0},
                                       {"60,000 elsewhere", 60000, 0},
                                       {"1,000 addresses", 0, 1000},
                                       {"two by weight", 0, 0, true}}};

std::string own_rule(bool ipv6, bool udp) {
    return fmt::format("{}:80:3000{}", ipv6 ? "[2001:db8::2]" : "192.0.2.2", udp ? "/udp" : "");
}

std::uint16_t rule_of(const Lab& lab, const Case& c) {
    const std::string plain = c.udp ? "80:3000/udp" : "80:3000", weight = "80:3000*1";
    for (const auto& rule : {own_rule(c.ipv6, c.udp), c.udp ? weight + "/udp" : weight})
        if (lab.has_rule(rule)) return lab.rule_id(rule);
    return lab.rule_id(plain);
}

void set_rules(Lab& lab, const Rules& rules) {
    std::vector<std::string> texts;
    for (const char* protocol : {"", "/udp"}) {
        if (rules.weights) // of which one gets all, so that every case has one target
            for (const char* share : {"80:3000*1", "80:4000*0"})
                texts.push_back(fmt::format("{}{}", share, protocol));
        else if (!rules.addresses)
            texts.push_back(fmt::format("80:3000{}", protocol));
        for (unsigned i = 0; i < rules.addresses; ++i) {
            const bool other = i >= rules.addresses / 2;
            texts.push_back(fmt::format("{}.{}.{}:80:3000{}", other ? "10.0" : "192.0", 2 + i / 256,
                                        i % 256, protocol));
            texts.push_back(
                fmt::format("[2001:db8:{}::{:x}]:80:3000{}", other ? 1 : 0, i, protocol));
        }
        for (unsigned i = 0; i < rules.elsewhere / 2; ++i)
            texts.push_back(fmt::format("{}:50000{}", 10000 + i, protocol));
    }
    std::vector<LabRule> all;
    for (const auto& text : texts) all.push_back({text});
    lab.rules(all);
}

// A case on the programs of one lab.
class Bench {
  public:
    Bench(const Lab& lab, const Case& c) : lab_(lab), case_(c), frame_(frame_of(c)) {
        const View view = parse(frame_);
        skeleton_.reset(bench_frame_bpf::open());
        auto& rodata = *skeleton_->rodata;
        rodata.transport_at = static_cast<std::uint32_t>(view.packet->l4_offset);
        rodata.checksum_at = static_cast<std::uint32_t>(*view.packet->checksum_offset);
        rodata.ports = read<std::uint32_t>(frame_, view.packet->l4_offset);
        rodata.checksum = read<std::uint16_t>(frame_, *view.packet->checksum_offset);
        rodata.record = {htons(kListen), rule_of(lab, c), 0, BP_RECORD_FLOW};
        for (bpf_map* map : {skeleton_->maps.bp_hints, skeleton_->maps.bp_udp_flows,
                             skeleton_->maps.bp_forward_tcp, skeleton_->maps.bp_forward_udp})
            bpf_map__set_autocreate(map, false);
        bpf_map__reuse_fd(skeleton_->maps.bp_records, lab.map(pins::kRecords).get());
        if (bench_frame_bpf::load(skeleton_.get()) != 0)
            throw std::runtime_error("load the benchmark's own programs");
        empty_ = bpf_program__fd(skeleton_->progs.bp_empty);
    }

    // One run each: what the subject takes longer.
    double turn(std::uint32_t repeat) {
        remember();
        const double empty = run(empty_, repeat);
        return run(lab_.program(case_.program).get(), repeat) - empty;
    }

    // That the subject does what the case says, in later rounds too: it redirects, or leaves the
    // frame alone.
    void check() {
        remember();
        point_at(lab_.program(case_.program).get());
        const bool changed = one_run(3).frame != frame_;
        if (changed != (case_.peer == Peer::kClient))
            throw std::runtime_error(
                fmt::format("{}: the frame was {}changed", case_.name, changed ? "" : "not "));
    }

  private:
    // The hint, or the UDP flow, of the client: made by its first packet.
    void remember() {
        if (case_.peer == Peer::kStranger) return;
        Case first = case_;
        first.program = pins::kTcIn;
        static_cast<void>(lab_.in(frame_of(first)));
    }

    void point_at(int program) {
        const std::uint32_t slot = 0;
        const int map = bpf_map__fd(skeleton_->maps.bp_subject);
        if (bpf_map_update_elem(map, &slot, &program, BPF_ANY) != 0)
            throw std::runtime_error("point at the program: " + error_text(errno));
    }

    TestRun one_run(std::uint32_t repeat) {
        __sk_buff skb{};
        skb.ifindex = lab_.eth0();
        if (case_.program == std::string_view(pins::kTcIn)) skb.ingress_ifindex = lab_.eth0();
        skb.mark = case_.record ? 1 : 0;
        const int program = bpf_program__fd(skeleton_->progs.bp_bench);
        const auto result = lab_.netns().run(
            [&] { return test_run(program, frame_, {.skb = skb, .repeat = repeat}); });
        if (!result || result->action != -1) throw std::runtime_error("test run failed");
        return *result;
    }

    double run(int program, std::uint32_t repeat) {
        point_at(program);
        return one_run(repeat).duration_ns;
    }

    const Lab& lab_;
    const Case& case_;
    Bytes frame_;
    std::unique_ptr<bench_frame_bpf, Destroy> skeleton_;
    int empty_ = -1;
};

struct Spread {
    double median, low, high; // low..high: the middle half
};

Spread spread(std::vector<double> values) {
    std::ranges::sort(values);
    const auto at = [&](double part) {
        return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1))];
    };
    return {at(0.5), at(0.25), at(0.75)};
}

// One line: a case on each lab, in turn.
template <std::size_t N>
void compare(const Case& c, const std::array<std::unique_ptr<Lab>, N>& labs, unsigned rounds,
             std::uint32_t repeat) {
    std::vector<Bench> benches;
    for (const auto& lab : labs) benches.emplace_back(*lab, c);
    std::array<std::vector<double>, N> taken;
    for (auto& bench : benches) bench.check();
    for (unsigned round = 0; round < rounds; ++round)
        for (std::size_t i = 0; i < N; ++i) taken.at(i).push_back(benches.at(i).turn(repeat));
    fmt::print("{:<16} {:<5} {:<4}", c.name, c.ipv6 ? "IPv6" : "IPv4", c.udp ? "udp" : "tcp");
    for (const auto& values : taken) {
        const Spread s = spread(values);
        fmt::print(" {:>7.0f} ({:>4.0f} ..{:>4.0f})", s.median, s.low, s.high);
    }
    fmt::print("\n");
}

int run(unsigned rounds, std::uint32_t repeat) {
    const std::array labs{std::make_unique<Lab>(TcObject::kDirect),
                          std::make_unique<Lab>(TcObject::kHelper)};
    for (const auto& lab : labs) set_rules(*lab, kRules[0]);
    fmt::print("ns per packet above an empty program: median (middle half); {} rounds of {}\n\n"
               "{:<27} {:>20} {:>20}\n",
               rounds, repeat, "", "direct", "helper");
    for (const Case& c : kCases) compare(c, labs, rounds, repeat);

    std::array<std::unique_ptr<Lab>, kRules.size()> by_rules;
    fmt::print("\n{:<27}", "direct");
    for (std::size_t i = 0; i < kRules.size(); ++i) {
        by_rules.at(i) =
            std::make_unique<Lab>(TcObject::kDirect, TableCapacity{BP_MAX_RULES, 16384});
        set_rules(*by_rules.at(i), kRules.at(i));
        fmt::print(" {:>20}", kRules.at(i).name);
    }
    fmt::print("\n");
    for (const Case& c : kCases)
        if (c.program == std::string_view(pins::kTcIn)) compare(c, by_rules, rounds, repeat);
    return 0;
}

} // namespace
} // namespace bpfport::test

// bench_prog [ROUNDS [REPEAT]]
int main(int argc, char** argv) {
    const auto argument = [&](int i, unsigned otherwise) {
        return argc > i ? static_cast<unsigned>(std::strtoul(argv[i], nullptr, 10)) : otherwise;
    };
    try {
        return bpfport::test::run(argument(1, 41), argument(2, 20000));
    } catch (const std::exception& error) {
        fmt::print(stderr, "bench_prog: {}\n", error.what());
        return 1;
    }
}
