// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/option_program.hpp"

#include <algorithm>

#include "kernel/bpffs.hpp"
#include "kernel/link.hpp"

namespace bpfport {

namespace {

Result<void> attach(const OptionProgram& what, const Instance& instance) {
    auto program = what.load(instance);
    if (!program) return std::unexpected(program.error());
    auto target = what.target();
    if (!target) return std::unexpected(target.error());
    auto link = Link::create(*program, target->get(), what.type, what.hook);
    if (!link) return std::unexpected(link.error());
    return link->pin(instance.path() / what.link);
}

Result<void> upgrade(const OptionProgram& what, const Instance& instance) {
    auto program = what.load(instance);
    if (!program) return std::unexpected(program.error());
    return update_link(instance.path() / what.link, *program);
}

} // namespace

bool OptionProgram::wanted_by(const std::vector<RuleSpec>& rules) const {
    return std::ranges::any_of(rules, [&](const RuleSpec& rule) { return rule.has(flag); });
}

bool OptionProgram::alive(const Instance& instance) const {
    return linked_program(instance.path() / link) != 0;
}

std::span<const OptionProgram* const> option_programs() {
    static const OptionProgram* const programs[] = {&exclusive_program(), &original_dst_program()};
    return programs;
}

Result<void> attach_option_programs(const Instance& instance, const std::vector<RuleSpec>& rules) {
    for (const OptionProgram* program : option_programs())
        if (program->wanted_by(rules) && !program->alive(instance))
            BP_TRY(attach(*program, instance), program->option);
    return {};
}

Result<void> upgrade_option_programs(const Instance& instance) {
    for (const OptionProgram* program : option_programs())
        if (program->alive(instance)) BP_TRY(upgrade(*program, instance), program->option);
    return {};
}

Result<void> remove_option_programs(const Instance& instance, const std::vector<RuleSpec>& rules) {
    for (const OptionProgram* program : option_programs())
        if (!program->wanted_by(rules))
            if (auto removed = remove_pin(instance.path() / program->link); !removed)
                return removed;
    return {};
}

} // namespace bpfport
