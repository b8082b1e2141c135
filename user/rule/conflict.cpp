// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rule/conflict.hpp"

#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "rule/range_index.hpp"
#include "rule/shares.hpp"

namespace bpfport {

namespace {

bool addresses_overlap(const Rule& a, const Rule& b) {
    return !a.local() || !b.local() || a.local()->overlaps(*b.local());
}

// Some port is listened on by both and goes to two places. A range maps one to one or to one port,
// so if the first and the last common port agree, all do.
bool disagree(const Rule& a, const Rule& b) {
    auto [first, last] = common(a.listen(), b.listen());
    return a.target_of(first) != b.target_of(first) || a.target_of(last) != b.target_of(last);
}

bool within(PortRange inner, PortRange outer) {
    return outer.first <= inner.first && inner.last <= outer.last;
}

// Neither has the narrower range, by which it would win.
bool same_rank(PortRange a, PortRange b) { return a == b || !(within(a, b) || within(b, a)); }

std::string ports_text(PortRange ports, Protocol protocol) {
    return fmt::format("{} {}/{}", ports.size() == 1 ? "port" : "ports", ports.to_string(),
                       to_string(protocol));
}

std::unexpected<Error> refuse(const PlacedRule& added, const PlacedRule& other,
                              std::string_view reason, std::string hint) {
    return failure(
        fmt::format("{} conflicts with {}: {}", added.to_string(), other.to_string(), reason),
        std::move(hint));
}

// Of one interface and one prefix, or of one prefix that has loopback addresses.
Result<void> check_targets(const PlacedRule& added, const PlacedRule& other) {
    if (added.rule.shares_with(other.rule)) return {}; // find_share_conflict() looks at all of them
    if (!disagree(added.rule, other.rule) || !same_rank(added.rule.listen(), other.rule.listen()) ||
        !added.rule.clients().ties_with(other.rule.clients()))
        return {};
    PortRange ports = common(added.rule.listen(), other.rule.listen());
    auto text = ports_text(ports, added.rule.protocol());
    if (added.ifindex == other.ifindex)
        return refuse(added, other,
                      fmt::format("listen {} already {} to {}", text,
                                  ports.size() == 1 ? "goes" : "go",
                                  other.rule.target_of(ports.first)),
                      "keep one of the two, or give both a weight, such as 80:3000*95,4000*5; the "
                      "narrower of two ranges wins, if it lies within the other");
    return refuse(
        added, other,
        fmt::format("local clients of 127.0.0.1 and ::1, listen {}, would have two targets", text),
        "--no-local leaves local clients out of the new rule");
}

// The interface does not matter here: the target port belongs to a socket, which serves them all.
Result<void> check_loop(const PlacedRule& added, const PlacedRule& other) {
    if (!addresses_overlap(added.rule, other.rule)) return {};
    auto check = [&](const PlacedRule& from, const PlacedRule& to) -> Result<void> {
        if (!from.rule.target().overlaps(to.rule.listen())) return {};
        PortRange ports = common(from.rule.target(), to.rule.listen());
        return refuse(added, other,
                      fmt::format("{} would be the target of {} and the listen port of {}",
                                  ports_text(ports, added.rule.protocol()), from.rule.to_string(),
                                  to.rule.to_string()),
                      "a packet is redirected once: send both listen ports to one target");
    };
    if (auto loop = check(added, other); !loop) return loop;
    return check(other, added);
}

// The added rules by what another one may contradict them in. There may be many of both, so none is
// compared with all.
class Added {
  public:
    explicit Added(std::span<const PlacedRule> rules) : rules_(rules) {
        for (std::size_t i = 0; i < rules.size(); i++) {
            const PlacedRule& one = rules[i];
            const Rule& rule = one.rule;
            same_place_.add({rule.protocol(), one.ifindex, rule.local()}, rule.listen(), i);
            if (one.serves_loopback())
                loopback_.add({rule.protocol(), rule.local()}, rule.listen(), i);
            listens_.add(rule.protocol(), rule.listen(), i);
            targets_.add(rule.protocol(), rule.target(), i);
        }
        same_place_.build();
        loopback_.build();
        listens_.build();
        targets_.build();
    }

    // Those from `first` on against another rule.
    [[nodiscard]] Result<void> check(const PlacedRule& other, std::size_t first) const {
        const Rule& rule = other.rule;
        Result<void> done;
        auto with = [&](auto&& rule_of) {
            return [&](std::size_t i) {
                if (done && i >= first) done = rule_of(rules_[i]);
            };
        };
        auto targets = [&](const PlacedRule& one) { return check_targets(one, other); };
        auto loop = [&](const PlacedRule& one) { return check_loop(one, other); };
        auto elsewhere = [&](const PlacedRule& one) -> Result<void> {
            return one.ifindex == other.ifindex ? Result<void>{} : check_targets(one, other);
        };
        same_place_.each_overlapping({rule.protocol(), other.ifindex, rule.local()}, rule.listen(),
                                     with(targets));
        if (other.serves_loopback())
            loopback_.each_overlapping({rule.protocol(), rule.local()}, rule.listen(),
                                       with(elsewhere));
        listens_.each_overlapping(rule.protocol(), rule.target(), with(loop));
        targets_.each_overlapping(rule.protocol(), rule.listen(), with(loop));
        return done;
    }

  private:
    std::span<const PlacedRule> rules_;
    RangeIndex<std::tuple<Protocol, unsigned, std::optional<Prefix>>> same_place_;
    RangeIndex<std::tuple<Protocol, std::optional<Prefix>>> loopback_; // of those that serve it
    RangeIndex<Protocol> listens_, targets_;
};

} // namespace

bool PlacedRule::serves_loopback() const {
    return ifindex && !no_local && (!rule.local() || rule.local()->has_loopback());
}

std::string PlacedRule::to_string() const {
    return fmt::format("{} on {}", rule.to_string(), scope_name);
}

Result<void> check_pairs(std::span<const PlacedRule> existing, std::span<const PlacedRule> added) {
    const Added index(added);
    for (const PlacedRule& other : existing) {
        auto checked = index.check(other, 0);
        if (checked) continue;
        checked.error().hint += fmt::format("; to take the attached one out: bpfport detach {} {}",
                                            other.scope_name, other.rule.to_string());
        return checked;
    }
    for (std::size_t i = 0; i < added.size(); i++)
        if (auto checked = index.check(added[i], i + 1); !checked) return checked;
    return {};
}

Result<void> check_conflicts(std::span<const PlacedRule> existing,
                             std::span<const PlacedRule> added) {
    if (auto checked = check_pairs(existing, added); !checked) return checked;
    if (auto conflict = find_share_conflict(existing, added))
        return std::unexpected(std::move(conflict->error));
    return {};
}

std::vector<Warning> warnings(std::span<const PlacedRule> added, PortRange ephemeral,
                              const PortList& reserved) {
    PortList exposed;
    std::vector<std::string> rules;
    for (const PlacedRule& placed : added) {
        auto before = exposed.size();
        for (PortRange ports : {placed.rule.listen(), placed.rule.target()}) {
            if (!ports.overlaps(ephemeral)) continue;
            auto open = missing_from(reserved, common(ports, ephemeral));
            exposed.insert(exposed.end(), open.begin(), open.end());
        }
        if (exposed.size() > before) rules.push_back(placed.rule.to_string());
    }
    if (exposed.empty()) return {};

    PortList all = reserved;
    all.insert(all.end(), exposed.begin(), exposed.end());
    exposed = merged(std::move(exposed));
    return {
        {fmt::format("port {} of {}: within {}, where the kernel takes source ports for outgoing "
                     "connections, so another program may hold it when it is needed",
                     to_string(exposed), fmt::join(rules, ", "), ephemeral.to_string()),
         fmt::format("sysctl -w net.ipv4.ip_local_reserved_ports={}",
                     to_string(merged(std::move(all))))}};
}

} // namespace bpfport
