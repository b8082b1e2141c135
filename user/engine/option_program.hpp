// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The programs that an option of rules takes besides those of their engines: one each, over the maps of
// the instance, its link in the instance's directory. It is there while a rule in force has the option.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "engine/object_trial.hpp"
#include "facts/host_facts.hpp"
#include "state/instance.hpp"

namespace bpfport {

struct OptionProgram {
    const char* option; // as typed
    std::uint16_t flag; // enum bp_rule_flags, of the rules that want it
    const char* link;   // its pin
    const char* hook;   // for errors: where it is attached
    bpf_attach_type type;
    Result<Fd> (*load)(const Instance& instance); // this version's
    Result<Fd> (*target)();                       // what it is attached to
    const char* if_gone; // for doctor: what follows if its link runs no program
    // object_digest() of its object, in kernel/object.hpp; its object loaded with maps of its own.
    std::uint64_t (*digest)(std::uint64_t before);
    void (*try_object)(const ObjectTrial& trial);

    [[nodiscard]] bool wanted_by(const std::vector<RuleSpec>& rules) const;
    [[nodiscard]] bool alive(const Instance& instance) const; // its link runs a program
};

// What keeps direct clients from an --exclusive target whatever their packets look like: an sk_lookup
// program in the network namespace.
const OptionProgram& exclusive_program();
// What answers getsockopt(SO_ORIGINAL_DST), for --original-dst: a getsockopt hook of the root cgroup.
const OptionProgram& original_dst_program();
std::span<const OptionProgram* const> option_programs();

// In place afterwards as the rules want it: a link that was removed is made again. One that is there
// stays, since loading a program takes the kernel as long as all the rest of a command.
Result<void> attach_option_programs(const Instance& instance, const std::vector<RuleSpec>& rules);
// The programs of this version in the place of another's.
Result<void> upgrade_option_programs(const Instance& instance);
// For the rules in force after a change: away with what none of them needs.
Result<void> remove_option_programs(const Instance& instance, const std::vector<RuleSpec>& rules);

} // namespace bpfport
