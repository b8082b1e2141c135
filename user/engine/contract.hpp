// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Engine: the contract between an engine and the rest of bpfport, which knows engines by this page and
// by the rows of engine/registry.cpp only. A new engine is a class in files of its own and a row.
//
// Rules are in force once the rule table is flipped (state/table.hpp). Around that flip an engine is
// called in this order, for the rules of all engines, of which it looks at its own:
//
//   prepare   before it: makes what its rules need. Killed there, what was made is not used yet. What
//             shares nothing with other engines' may run beside theirs, in a thread of its own.
//   settle    after it: what can only be done once its rules are in force.
//   release   removes what no rule needs. Killed there, what is left is not used any more.
//
// Each is idempotent: the next command calls all three again and so finishes what was begun.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "bpfport/meta.h"
#include "engine/object_trial.hpp"
#include "facts/host_facts.hpp"
#include "rule/conflict.hpp"
#include "state/instance.hpp"

namespace bpfport {

// Options of attach that say something of packets or sockets, so that not every engine takes them.
enum EngineOption : unsigned {
    kOptionForwarded = 1 << 0,
    kOptionVlan = 1 << 1,
    kOptionNoLocal = 1 << 2,
    kOptionExclusive = 1 << 3,
    kOptionOnAbsentDrop = 1 << 4,
    kOptionOnAbsentPass = 1 << 5,
    kOptionHook = 1 << 6,
    kOptionXdpMode = 1 << 7,
    kOptionSockname = 1 << 8,
    kOptionOriginalDst = 1 << 9,
};
struct OptionName {
    EngineOption option;
    const char* name; // as typed: --on-absent drop
};
inline constexpr OptionName kOptionNames[] = {
    {kOptionForwarded, "--forwarded"},
    {kOptionVlan, "--vlan"},
    {kOptionNoLocal, "--no-local"},
    {kOptionExclusive, "--exclusive"},
    {kOptionOnAbsentDrop, "--on-absent drop"},
    {kOptionOnAbsentPass, "--on-absent pass"},
    {kOptionHook, "--hook"},
    {kOptionXdpMode, "--xdp-mode"},
    {kOptionSockname, "--sockname"},
    {kOptionOriginalDst, "--original-dst"},
};

// What an engine counts. The rest is absent from status, stats and metrics, not 0.
enum EngineCount : unsigned {
    kCountPackets = 1 << 0,
    kCountConnections = 1 << 1, // UDP: flows
    kCountCalls = 1 << 2,       // system calls
};

enum class EngineScope { kInterface, kCgroup };

struct EngineInfo {
    std::uint32_t id;    // enum bp_engine; it is in the rule table, so it is never given out again
    const char* name;    // for --engine, and the label of metrics
    const char* summary; // one line: what it is
    const char* effect;  // for --explain: what it serves, and what peers and programs see
    EngineScope scope;   // of its rules
    unsigned options;    // EngineOption
    unsigned counts;     // EngineCount
    bool changes_requests;    // the packet's port, before any firewall sees it
    const char* not_in_force; // for doctor
};

struct WhyNot {
    std::string reason;
    std::string hint;
};

struct XdpWish {
    bp_xdp_mode mode = BP_XDP_NATIVE; // generic when one of its rules says that generic will do
    bool named = false;               // false: only rules for `any` cover it
};
struct WantedHooks {
    std::set<unsigned> tc;           // interfaces whose packets the tc programs see
    std::map<unsigned, XdpWish> xdp; // and those with an XDP program in front
};

enum class HookChoice { kAuto, kTcx, kClsact };

// What an engine works on: one network namespace, whose instance is there.
struct EngineContext {
    Store& store;
    Instance& instance;
    const std::vector<Interface>& interfaces;
    const std::vector<RuleSpec>& in_force; // before the command
    HookChoice hook = HookChoice::kAuto;
    std::vector<Warning>& warnings; // what is done otherwise than asked
};

// A value of an engine's report, under the name that status --json shows.
struct EngineDetail {
    const char* name;
    std::string text;
};
// What the kernel runs of an engine in a network namespace.
struct EngineReport {
    bool alive = false;
    std::vector<EngineDetail> tags;    // of its programs
    std::optional<unsigned> listeners; // sockets that it may steer to
    std::optional<bool> sockname;      // getsockname(2) of connections can say the target port
    std::string text;                  // for a line of status
};

// One look at the kernel, by which rules are judged.
struct EngineLook {
    const Instance& instance;
    const HostFacts& host;
    std::set<unsigned> hooked; // interfaces whose tc hooks run
    std::set<unsigned> by_xdp; // ... and XDP programs
    std::map<std::uint32_t, EngineReport> reports;
};
struct RuleState {
    bool in_force = true;
    bool reduced = false;    // in force, by tc alone instead of XDP
    bool by_tc = false;      // a listener that the engine can't serve; tc does, if it stands by
    bool says_target = true; // getsockname(2) of its connections, else the listen port
    std::string why; // why this engine, and what keeps it from serving; empty: nothing to say
};

class Engine {
  public:
    explicit constexpr Engine(const EngineInfo& info) : info_(info) {}
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;
    virtual ~Engine() = default;

    [[nodiscard]] const EngineInfo& info() const { return info_; }
    [[nodiscard]] bool takes(EngineOption option) const { return (info_.options & option) != 0; }
    [[nodiscard]] bool on_cgroups() const { return info_.scope == EngineScope::kCgroup; }

    // What this kernel can do of it, found by trying; needs privileges.
    virtual void probe(const Store& store, HostFacts& facts) const;

    // Pure. Why it can't serve the rule, which is complete but for engine and id; none: it can.
    [[nodiscard]] virtual std::optional<WhyNot> why_not(const RuleSpec& rule,
                                                        const HostFacts& facts) const;
    // Pure. Why `auto` doesn't choose it for a rule that it can serve; empty: it may.
    [[nodiscard]] virtual std::string why_not_auto(const RuleSpec& rule,
                                                   const HostFacts& facts) const;
    // What `auto` adds to the rule's flags and says of the choice.
    [[nodiscard]] virtual std::uint16_t auto_flags() const { return 0; }
    [[nodiscard]] virtual const char* why_auto() const { return ""; }
    // What is to be said of a choice by name; empty: nothing.
    [[nodiscard]] virtual std::string caveat(const RuleSpec& rule, const HostFacts& facts) const;

    // Pure. Adds the hooks that the rule needs.
    virtual void wants(const RuleSpec& rule, const std::vector<Interface>& interfaces,
                       WantedHooks& wanted) const;
    // Pure. Flags by which connections that the rule before served go on.
    [[nodiscard]] virtual std::uint16_t flags_after(const RuleSpec& before,
                                                    const RuleSpec& after) const;
    [[nodiscard]] virtual SlotBits slot_bits(const RuleSpec& rule) const;
    // Whether replies of the rule leave with another port than the socket's.
    [[nodiscard]] virtual bool changes_replies(const RuleSpec& rule) const;
    // Whether a program that listens on a listen port of a loopback address may keep that address.
    [[nodiscard]] virtual bool spares(const Socket& socket) const;

    [[nodiscard]] virtual bool prepares_beside(const std::vector<RuleSpec>& rules) const;
    virtual Result<void> prepare(EngineContext& context, const std::vector<RuleSpec>& rules) const;
    // Right before the flip: what the kernel knows of the rule and its flags don't.
    virtual void note(const Instance& instance, RuleSpec& rule) const;
    virtual Result<void> settle(EngineContext& context, const std::vector<RuleSpec>& rules) const;
    virtual Result<void> release(EngineContext& context, const std::vector<RuleSpec>& rules) const;
    // The programs of this build in the place of another's, without a gap.
    virtual Result<void> upgrade(EngineContext& context) const;

    // What the kernel runs; none: nothing of its own besides the hooks of interfaces.
    [[nodiscard]] virtual std::optional<EngineReport> report(const Store& store,
                                                             const Instance& instance) const;
    [[nodiscard]] virtual RuleState status(const RuleSpec& rule, const EngineLook& look) const;
    // Loads its objects with maps of their own, and keeps nothing.
    virtual void try_objects(const ObjectTrial& trial) const;

  private:
    const EngineInfo& info_;
};

} // namespace bpfport
