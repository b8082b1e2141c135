// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Random and damaged frames against the oracle: the programs must do with each what it says, byte
// for byte. From that, and checked apart from the oracle as well: a frame keeps its length; what
// changes is one port and checksums; what was right stays right and what was wrong stays wrong; in,
// then out, is the identity.
//
//   BPFPORT_FRAMES=5000000 BPFPORT_SEED=1 prog_tests --gtest_filter='*Random*'
//
// A failure is cut down to the fewest frames, and those to the fewest bytes, that still show it.
#pragma once

#include <chrono>
#include <cstdlib>

#include "prog/oracle.hpp"
#include "prog/programs.hpp"
#include "prog/random_frames.hpp"
#include "state/instance.hpp"

namespace bpfport::test {

struct Step {
    bool out = false;
    Bytes frame;
    Oracle::Offload offload = Oracle::Offload::kNone;

    [[nodiscard]] bool to_be_cut() const { return offload == Oracle::Offload::kToBeCut; }
};

inline std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

// Equal, but for a checksum (not UDP's) that is all ones where the other is all zeros: the same sum.
inline bool same(const Bytes& wanted, const Bytes& got) {
    if (wanted == got) return true;
    if (wanted.size() != got.size()) return false;
    const auto word = [](const Bytes& b, std::size_t at) { return b[at] * 256U + b[at + 1]; };
    for (std::size_t at = 0; at < got.size(); ++at) {
        if (got[at] == wanted[at]) continue;
        if (at + 1 == got.size() || word(got, at) % 0xffff != word(wanted, at) % 0xffff)
            return false;
        ++at;
    }
    const View view = parse(got);
    const auto udp = [](const std::optional<Headers>& h) { return h && h->protocol == 17; };
    return !udp(view.packet) && !udp(view.quoted);
}

// The frame as its receiver would answer it: addresses and ports change sides, sums stay.
inline std::optional<Bytes> mirrored(const Bytes& frame) {
    const View view = parse(frame);
    if (!view.packet || !view.packet->sport) return {};
    Bytes back = frame;
    const auto at = [&](std::size_t offset) {
        return back.begin() + static_cast<std::ptrdiff_t>(offset);
    };
    const auto swap = [&](std::size_t offset, std::size_t size) {
        std::swap_ranges(at(offset), at(offset + size), at(offset + size));
    };
    const bool ipv6 = view.packet->src.is_ipv6();
    swap(view.packet->offset + (ipv6 ? 8 : 12), ipv6 ? 16 : 4);
    swap(view.packet->l4_offset, 2);
    return back;
}

class Random : public Programs {
  protected:
    void SetUp() override {
        Programs::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        set_rules();
        in_ = lab().program(pins::kTcIn).get();
        out_ = lab().program(pins::kTcOut).get();
        inside_.emplace(lab().netns().fd());
    }

    void forget() {
        lab().forget();
        oracle_.forget();
    }

    TestRun run(const Step& step) const {
        __sk_buff skb{};
        skb.ifindex = lab().eth0();
        if (!step.out) skb.ingress_ifindex = lab().eth0();
        if (step.to_be_cut()) skb.gso_size = 100;
        auto result = test_run(step.out ? out_ : in_, step.frame, {.skb = skb});
        if (!result) throw std::runtime_error(result.error().message);
        return *result;
    }

    // What is wrong with one step; empty: nothing.
    std::string judge(const Step& step) {
        const Answer wanted =
            step.out ? oracle_.out(step.frame, step.offload) : oracle_.in(step.frame);
        const TestRun got = run(step);
        std::string problem;
        if (got.action != (wanted.dropped ? kDrop : kNext))
            problem = fmt::format("verdict {}", got.action);
        if (got.frame.size() != step.frame.size()) problem = "another length";
        if (problem.empty() && !same(wanted.frame, got.frame)) problem = "not as the oracle says";
        if (problem.empty() && !step.to_be_cut()) problem = judge_change(step.frame, got.frame);
        if (problem.empty() && !step.out && got.frame != step.frame)
            problem = judge_way_back(step.frame, got.frame);
        if (problem.empty()) return {};
        return fmt::format("{}, {} (oracle: {})\nbefore {}\nwanted {}\n   got {}\n{}",
                           step.out ? "out" : "in", problem, wanted.why, describe(step.frame),
                           describe(wanted.frame), describe(got.frame),
                           hexdump(got.frame, wanted.frame));
    }

    // Properties that hold whatever the rules say.
    static std::string judge_change(const Bytes& before, const Bytes& after) {
        if (before == after) return {};
        std::size_t changed = 0;
        for (std::size_t i = 0; i < before.size(); ++i) changed += before[i] != after[i] ? 1 : 0;
        if (changed > 6 + 16) // a port and sums, and an address
            return fmt::format("{} bytes changed", changed);
        const View was = parse(before), is = parse(after);
        const auto verdicts = [](const View& v) {
            const auto of = [](const std::optional<Headers>& h) {
                return h ? std::pair(h->header_checksum, h->l4_checksum)
                         : std::pair(Verdict::kNone, Verdict::kNone);
            };
            return std::pair(of(v.packet), of(v.quoted));
        };
        return verdicts(was) == verdicts(is) ? "" : "a checksum is not as true as it was";
    }

    // The answer to a redirected packet is the answer to the packet as it was sent.
    std::string judge_way_back(const Bytes& sent, const Bytes& redirected) const {
        const auto answer = mirrored(redirected), wanted = mirrored(sent);
        if (!answer || !wanted) return {}; // an ICMP error, or lengths that say nothing
        return same(*wanted, run({true, *answer}).frame) ? "" : "in, then out, is not the identity";
    }

    // Whether the steps still show a failure, from an empty table on; `last` is what it says.
    bool fails(const std::vector<Step>& steps, std::string* last = nullptr) {
        forget();
        for (const Step& step : steps) {
            const std::string problem = judge(step);
            if (problem.empty()) continue;
            if (last) *last = problem;
            return true;
        }
        return false;
    }

    // Leaves out steps, then bytes at the end, then makes bytes zero, as long as it fails.
    std::vector<Step> shrink(std::vector<Step> steps) {
        for (std::size_t size = steps.size() / 2; size > 0; size /= 2)
            for (std::size_t at = 0; at + size <= steps.size();) {
                std::vector<Step> fewer = steps;
                const auto first = fewer.begin() + static_cast<std::ptrdiff_t>(at);
                fewer.erase(first, first + static_cast<std::ptrdiff_t>(size));
                if (fails(fewer))
                    steps = std::move(fewer);
                else
                    at += size;
            }
        const auto try_change = [&](std::size_t i, Bytes frame) {
            std::vector<Step> other = steps;
            other[i].frame = std::move(frame);
            if (!runnable(other[i].frame) || !fails(other)) return false;
            steps = std::move(other);
            return true;
        };
        for (std::size_t i = 0; i < steps.size(); ++i) {
            for (std::size_t cut = steps[i].frame.size() / 2; cut > 0; cut /= 2)
                while (steps[i].frame.size() >= cut + 20) {
                    Bytes shorter = steps[i].frame;
                    shorter.resize(shorter.size() - cut);
                    if (!try_change(i, std::move(shorter))) break;
                }
            for (std::size_t at = 0; at < steps[i].frame.size(); ++at) {
                Bytes plain = steps[i].frame;
                if (plain[at] == 0) continue;
                plain[at] = 0;
                try_change(i, std::move(plain));
            }
        }
        return steps;
    }

    std::string report(const std::vector<Step>& all) {
        const std::vector<Step> steps = shrink(all);
        std::string problem, text;
        fails(steps, &problem);
        for (const Step& step : steps)
            text += fmt::format("{} {}\n{}", step.out ? "out" : "in ", describe(step.frame),
                                hexdump(step.frame));
        return fmt::format("{}\nthe frames that show it:\n{}", problem, text);
    }

    virtual void set_rules() {
        lab().rules({{"192.0.2.2:80:3000"},
                     {"80:3001"},
                     {"443:8443", BP_RULE_VLAN},
                     {"8000-8010:18000-18010"},
                     {"80:3000/udp"},
                     {"53:5353/udp", BP_RULE_VLAN}});
    }
    static Bytes own_mac() { return {kEth0Mac.begin(), kEth0Mac.end()}; }
    void all_as_the_oracle_says(std::uint64_t count, const char* counted);

    Oracle oracle_{
        {{.listen_first = 80,
          .listen_last = 80,
          .target_first = 3000,
          .local = OraclePrefix{"192.0.2.2"}},
         {.listen_first = 80, .listen_last = 80, .target_first = 3001},
         {.listen_first = 443, .listen_last = 443, .target_first = 8443, .vlan = true},
         {.listen_first = 8000, .listen_last = 8010, .target_first = 18000},
         {.udp = true, .listen_first = 80, .listen_last = 80, .target_first = 3000},
         {.udp = true, .listen_first = 53, .listen_last = 53, .target_first = 5353, .vlan = true}},
        own_mac()};

  private:
    int in_ = -1, out_ = -1;
    std::optional<NetnsScope> inside_;
};

inline void Random::all_as_the_oracle_says(std::uint64_t count, const char* counted) {
    constexpr std::size_t kTogether = 400; // frames that share flows; fewer than the tables hold
    const std::uint64_t seed = from_environment(
        "BPFPORT_SEED",
        static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()));
    fmt::print("BPFPORT_SEED={} BPFPORT_FRAMES={}\n", seed, count);
    RandomFrames frames(seed);
    std::vector<Step> steps;
    std::uint64_t redirected = 0;
    for (std::uint64_t n = 0; n < count; ++n) {
        if (n % kTogether == 0) {
            redirected += lab().counters(counted).packets_in;
            forget();
            steps.clear();
        }
        Step step{frames.below(3) == 0, frames.next()};
        if (step.out && frames.below(4) == 0) step.offload = Oracle::Offload::kToBeCut;
        if (!runnable(step.frame)) continue;
        steps.push_back(std::move(step));
        if (!judge(steps.back()).empty()) FAIL() << "frame " << n << ": " << report(steps);
    }
    EXPECT_GE(redirected, count / 1000) << "the frames miss the point";
}

} // namespace bpfport::test
