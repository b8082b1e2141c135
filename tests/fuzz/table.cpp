// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The rule table in memory: rules that were written are read back, and whatever lies there, only
// valid rules are read.
#include "state/table.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "bpfport/meta.h"
#include "fuzz.hpp"

namespace bpfport {

namespace {

// A table and its rules as bytes.
struct Memory {
    Memory() : maps{file(sizeof(bp_table)), file(kRules), file(kSpans), {}} {
        void* memory =
            mmap(nullptr, kRules, PROT_READ | PROT_WRITE, MAP_SHARED, maps.rules.get(), 0);
        require(memory != MAP_FAILED, "map the memory file");
        rules = static_cast<bp_rule*>(memory);
    }
    static Fd file(std::size_t size) {
        Fd fd(memfd_create("table", MFD_CLOEXEC));
        require(ftruncate(fd.get(), static_cast<off_t>((size / 4096 + 1) * 4096)) == 0,
                "make a memory file");
        return fd;
    }
    static constexpr std::size_t kRules = 2 * BP_MIN_RULES * sizeof(bp_rule);
    static constexpr std::size_t kSpans = 2 * BP_MIN_SPANS * sizeof(bp_span);
    TableMaps maps;
    bp_rule* rules = nullptr; // of both sides, by BP_RULE_INDEX
};

void require_valid(const RuleSpec& rule) {
    auto again = parse_rules(rule.rule.to_string());
    require(again && again->size() == 1 && again->front() == rule.rule, "a rule is valid",
            rule.rule.to_string());
}

void fuzz_raw(Memory& memory, Bytes input) {
    Table table = std::move(*Table::open(memory.maps, true));
    std::memset(memory.rules, 0, Memory::kRules);
    std::memcpy(memory.rules, input.data(), std::min(input.size(), Memory::kRules));
    auto found = table.rules();
    for (const auto& rule : found) require_valid(rule);
    std::memset(memory.rules, 0, Memory::kRules);
}

// Each line is for an interface: targets with weights share its listen ports.
std::vector<RuleSpec> rules_of(std::string_view text) {
    std::vector<RuleSpec> rules;
    for (unsigned line_number = 0; !text.empty(); line_number++) {
        auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        auto parsed = parse_rules(line);
        if (!parsed) continue;
        for (const Rule& rule : *parsed)
            rules.push_back(
                {0, rule, line_number % 3, BP_ENGINE_TC, BP_RULE_NO_LOCAL, BP_ABSENT_RESET, 0});
    }
    return rules;
}

void fuzz_rules(Memory& memory, std::string_view text) {
    Table table = std::move(*Table::open(memory.maps, true));
    auto rules = rules_of(text);
    if (rules.empty()) return;
    auto before = table.rules();
    auto change = table.plan(rules, no_slot_bits);
    require(change.has_value(), "there are ids enough");
    if (!table.commit(*change)) {
        require(table.rules().size() == before.size(), "on error nothing has changed", text);
        return;
    }
    auto found = table.rules();
    std::ranges::sort(rules, {}, &RuleSpec::id);
    require(std::ranges::equal(rules, found,
                               [](const RuleSpec& a, const RuleSpec& b) {
                                   return a.id == b.id && a.rule == b.rule &&
                                          a.ifindex == b.ifindex && a.engine == b.engine &&
                                          a.flags == b.flags && a.on_absent == b.on_absent;
                               }),
            "rules are read back", text);
}

} // namespace

void fuzz(Bytes input) {
    static Memory memory;
    fuzz_rules(memory, text_of(input));
    fuzz_raw(memory, input);
}

} // namespace bpfport
