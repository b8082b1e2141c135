// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/trace_packet.hpp"

#include <algorithm>
#include <filesystem>
#include <ostream>

#include <fmt/ostream.h>

#include "bpfport/meta.h"
#include "cli/command.hpp"
#include "engine/plan.hpp"
#include "stats/snapshot.hpp"
#include "trace/capture_file.hpp"
#include "trace/event_text.hpp"
#include "trace/packet_run.hpp"

namespace bpfport {

namespace {

// The one that is named; else the one that has the packet's destination; else the first hooked.
Result<Interface> choose_interface(const std::vector<std::string>& words,
                                   const std::optional<PacketSpec>& spec, bool outgoing) {
    auto scopes = split_words(words);
    if (!scopes) return std::unexpected(scopes.error());
    if (!scopes->rules.empty() || scopes->scopes.size() > 1)
        return usage_error("--packet takes one interface", "bpfport trace eth0 --packet ...");
    if (!scopes->scopes.empty()) return find_interface(scopes->scopes.front().name());
    auto addresses = interface_addresses();
    if (!addresses) return std::unexpected(addresses.error());
    if (spec) {
        const Address& own = outgoing ? spec->source : spec->destination;
        auto found = std::ranges::find(*addresses, own, &InterfaceAddress::address);
        if (found != addresses->end()) return find_interface(found->ifindex);
    }
    return usage_error("which interface does the packet arrive on?",
                       "name it: bpfport trace eth0 --packet ...");
}

Result<Tracer> open_tracer(const Session& session) {
    auto store = open_for_reading(session);
    if (!store) return std::unexpected(store.error());
    return store->undisturbed([&] { return Tracer::open(*store); });
}

const char* action_text(int action) {
    switch (action) {
    case -1:
        return "goes on";
    case 0:
        return "accepted";
    case 2:
        return "dropped";
    case 7:
        return "sent back (a reset)";
    default:
        return "unknown";
    }
}

void print_decision(std::ostream& out, const PacketDecision& decision, const Interface& interface,
                    const std::vector<Interface>& interfaces) {
    fmt::print(out, "{} {} {}\n", interface.name, decision.outgoing ? "out" : "in",
               decision.before.to_string());
    if (decision.before.protocol)
        fmt::print(out, "  checksum  {}\n", checksum_text(decision.before.checksum));
    if (decision.rule)
        fmt::print(out, "  rule      {} on {}\n", decision.rule->rule.to_string(),
                   scope_name(decision.rule->ifindex, interfaces));
    else if (decision.before.protocol && !decision.outgoing)
        fmt::print(out, "  rule      none for this port here\n");
    if (decision.rule && !engine_of(*decision.rule).info().changes_requests)
        fmt::print(out,
                   "  engine    {}: the packet may stay as it is, and a socket on the target port "
                   "gets its connection\n",
                   engine_name(decision.rule->engine));
    if (decision.before.protocol)
        fmt::print(out, "  flow      {}{}\n",
                   decision.flow_known ? "known before" : "not known before",
                   decision.flow_made      ? "; remembered by this packet (undone)"
                   : decision.flow_changed ? "; changed by this packet (undone)"
                                           : "");
    for (const auto& event : decision.events)
        if (event.kind == BP_EVENT_OUTCOME && event.outcome < BP_OUTCOME_COUNT)
            fmt::print(out, "  outcome   {}: {}\n", outcome_label(event.outcome),
                       outcome_text(event.outcome));
        else
            fmt::print(out, "  event     {}\n", event_label(event.kind));
    fmt::print(out, "  verdict   {}\n", action_text(decision.action));
    const FrameView &before = decision.before, &after = decision.after;
    bool changed = before.source_port != after.source_port ||
                   before.destination_port != after.destination_port ||
                   before.flags != after.flags || before.source != after.source;
    if (decision.action == 2) return;
    if (changed)
        fmt::print(out, "  becomes   {}, checksum {}\n", after.to_string(),
                   checksum_text(after.checksum));
    else
        fmt::print(out, "  unchanged\n");
}

} // namespace

Result<void> trace_packet(const Session& session, const std::vector<std::string>& words,
                          const PacketOptions& options) {
    std::optional<PacketSpec> spec;
    std::error_code none; // a packet in words may be too long for a path
    if (!std::filesystem::exists(options.what, none)) {
        auto parsed = parse_packet_spec(options.what);
        if (!parsed && options.what.find(' ') == std::string::npos)
            return system_error(fmt::format("open {}", options.what), ENOENT);
        if (!parsed) return std::unexpected(parsed.error());
        spec = *parsed;
    }
    auto interface = choose_interface(words, spec, options.outgoing);
    if (!interface) return std::unexpected(interface.error());
    Mac own{};
    if (interface->link_address.size() == own.size())
        std::ranges::copy(interface->link_address, own.begin());
    std::vector<Frame> frames;
    if (spec) {
        frames.push_back(build_frame(*spec, {0x02, 0, 0, 0, 0, 0x01}, own));
    } else {
        auto captured = read_capture(options.what, own);
        if (!captured) return std::unexpected(captured.error());
        for (auto& one : *captured) {
            if (options.for_host && one.frame.size() >= own.size())
                std::ranges::copy(own, one.frame.begin());
            frames.push_back(std::move(one.frame));
        }
    }

    auto tracer = open_tracer(session);
    if (!tracer) return std::unexpected(tracer.error());
    auto list = interfaces();
    if (!list) return std::unexpected(list.error());
    bool counted = false, other_host = false;
    std::size_t at = 0, left_out = 0;
    for (const auto& frame : frames) {
        at++;
        auto decision = run_packet(*tracer, *interface, frame, options.outgoing);
        if (!decision && decision.error().code == EINVAL && frames.size() > 1) {
            // Too long or too short for the kernel to make a packet of it: the others are not.
            fmt::print(session.out, "frame {} of {} bytes: not run: {}\n", at, frame.size(),
                       decision.error().hint);
            left_out++;
            continue;
        }
        if (!decision) return std::unexpected(decision.error());
        print_decision(session.out, *decision, *interface, *list);
        session.out.flush();
        counted |= decision->rule.has_value() || !decision->events.empty();
        for (const auto& event : decision->events)
            other_host |= event.kind == BP_EVENT_OUTCOME &&
                          event.outcome == BP_OUTCOME_OTHER_HOST && !options.for_host;
    }
    if (left_out)
        fmt::print(session.err, "note: {} of {} frames were not run\n", left_out, frames.size());
    if (other_host)
        fmt::print(session.err,
                   "note: frames captured for another MAC address than {}'s are left "
                   "alone; --for-host takes them as sent to it\n",
                   interface->name);
    if (counted)
        fmt::print(session.err,
                   "note: the rule's counters and outcomes have counted these packets\n");
    return {};
}

} // namespace bpfport
