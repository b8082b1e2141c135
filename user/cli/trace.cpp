// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport trace [SCOPE...]: what happens now, one line an event; trace --packet in
// trace_packet.cpp.
#include <csignal>
#include <ostream>

#include <fmt/ostream.h>
#include <sys/time.h>

#include "cli/command.hpp"
#include "cli/trace_packet.hpp"
#include "facts/scope_interfaces.hpp"
#include "kernel/cgroup_lookup.hpp"
#include "state/cgroup_attachment.hpp"
#include "trace/event_text.hpp"
#include "trace/tracer.hpp"

namespace bpfport {

namespace {

struct TraceOptions {
    std::vector<std::string> words;
    std::vector<std::string> labels;
    std::uint16_t port = 0;
    std::string peer;
    std::uint64_t count = 0; // 0: until it is ended
    double seconds = 0;      // 0: without limit
    bool json = false;
    PacketOptions packet;
};

volatile std::sig_atomic_t ended = 0;

void end_on_signals() {
    ended = 0;
    struct sigaction action {};
    action.sa_handler = [](int) { ended = 1; };
    for (int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) sigaction(number, &action, nullptr);
}

std::int64_t wall_offset() {
    timespec wall{};
    clock_gettime(CLOCK_REALTIME, &wall);
    return wall.tv_sec * 1'000'000'000 + wall.tv_nsec - static_cast<std::int64_t>(monotonic_ns());
}

Result<EventFilter> read_filter(const TraceOptions& options) {
    EventFilter filter;
    if (auto known = check_labels(options.labels); !known) return std::unexpected(known.error());
    filter.labels = options.labels;
    if (options.port) filter.port = options.port;
    if (!options.peer.empty()) {
        filter.peer = parse_address(options.peer);
        if (!filter.peer)
            return usage_error(fmt::format("{} is no address", options.peer),
                               "such as 192.0.2.7 or 2001:db8::7");
    }
    auto words = split_words(options.words);
    if (!words) return std::unexpected(words.error());
    if (!words->rules.empty())
        return usage_error("a rule can't be traced, an interface, a cgroup or a port can",
                           "bpfport trace eth0 --port 80");
    std::vector<Scope> named; // interfaces
    for (const auto& scope : words->scopes) {
        if (scope.kind() == Scope::Kind::kAny) continue;
        if (scope.is_cgroup()) {
            auto cgroup = find_cgroup(scope);
            if (!cgroup) return std::unexpected(cgroup.error());
            filter.cgroups.push_back(cgroup->id);
            continue;
        }
        named.push_back(scope);
    }
    if (named.empty()) return filter;
    auto list = interfaces();
    if (!list) return std::unexpected(list.error());
    auto found = scope_interfaces(named, *list);
    if (!found) return std::unexpected(found.error());
    filter.interfaces = std::move(*found);
    return filter;
}

// What is asked for and what there is.
Result<Tracer> open_tracer(const Session& session, const EventFilter& filter) {
    auto store = open_for_reading(session);
    if (!store) return std::unexpected(store.error());
    return store->undisturbed([&] {
        if (filter.interfaces.empty() == filter.cgroups.empty()) return Tracer::open_all(*store);
        return filter.cgroups.empty() ? Tracer::open(*store) : Tracer::open_cgroups(*store);
    });
}

// A cgroup that has gone keeps its name: its last events may still come.
Result<void> read_names(const Session& session, const Tracer& tracer, EventNames& names) {
    auto list = interfaces();
    if (!list) return std::unexpected(list.error());
    names.interfaces = std::move(*list);
    names.wall_offset = wall_offset();
    if (const auto& instance = tracer.instance()) names.rules = instance->table().rules();
    auto store = open_for_reading(session);
    if (!store) return std::unexpected(store.error());
    for (const auto& attachment : cgroup_attachments(*store, Store::Access::kRead))
        names.cgroups[attachment.meta().cgroup] = attachment.scope();
    return {};
}

Result<void> trace(const Session& session, const TraceOptions& options) {
    if (auto entered = enter_session_netns(session); !entered) return entered;
    if (!options.packet.what.empty()) return trace_packet(session, options.words, options.packet);
    auto filter = read_filter(options);
    if (!filter) return std::unexpected(filter.error());
    end_on_signals();
    auto tracer = open_tracer(session, *filter);
    if (!tracer) return std::unexpected(tracer.error());
    EventNames names;
    if (auto read = read_names(session, *tracer, names); !read) return read;
    fmt::print(session.err, "tracing; end with Ctrl-C\n");
    session.err.flush();

    std::uint64_t shown = 0, lost = 0;
    auto deadline = monotonic_ns() + static_cast<std::uint64_t>(options.seconds * 1e9);
    auto show = [&](const bp_event& event) {
        if (!filter->wants(event) || (options.count && shown == options.count)) return;
        shown++;
        session.out << (options.json ? event_json(event, names) : event_line(event, names)) << '\n';
    };
    while (!ended && (!options.count || shown < options.count)) {
        if (options.seconds > 0 && monotonic_ns() >= deadline) break;
        if (auto polled = tracer->poll(std::chrono::milliseconds(500), show); !polled)
            return polled;
        session.out.flush();
        if (!session.out) break; // the reader has gone
        if (auto now = tracer->lost(); now != lost) {
            fmt::print(session.err, "{} events lost: they came too fast\n", now - lost);
            lost = now;
        }
        if (!tracer->attached()) {
            fmt::print(session.err, "all that was traced was detached\n");
            break;
        }
        (void)read_names(session, *tracer, names); // else as they were
    }
    return {};
}

} // namespace

Command add_trace(CommandLine& app) {
    auto options = std::make_shared<TraceOptions>();
    auto* command =
        app.add_subcommand("trace", "Print decisions as they are made, one line for each event");
    command->footer("New connections and flows, and every packet that is left alone, refused or\n"
                    "dropped, with the reason. Packets of connections on record make no event.\n"
                    "For cgroups: binds and connects that were changed, granted or denied.\n"
                    "Example: bpfport trace eth0 --packet 'tcp 192.0.2.2:40000 > 192.0.2.1:80 S'");
    command->add_option("SCOPE", options->words, "Only these interfaces or cgroups")
        ->suggest(Values::kScopes);
    command
        ->add_option("--outcome", options->labels,
                     "Only these events or outcomes: connection, bind, not_local ...")
        ->suggest(trace_labels());
    command->add_option("--port", options->port, "Only events with this port, on either side");
    command->add_option("--peer", options->peer, "Only this client")->type_name("ADDRESS");
    command->add_option("--count", options->count, "End after so many events");
    command->add_option("--seconds", options->seconds, "End after so long");
    command->add_flag("--json", options->json, "One JSON object a line");
    command
        ->add_option("--packet", options->packet.what,
                     "Run this packet, or those of a capture, through the installed programs")
        ->type_name("FILE|SPEC")
        ->suggest(Values::kFiles);
    command->add_flag("--out", options->packet.outgoing, "The packet leaves instead of arriving");
    command->add_flag("--for-host", options->packet.for_host,
                      "Take captured frames for ones that were sent to this interface");
    return {command, [options](const Session& session) { return trace(session, *options); }};
}

} // namespace bpfport
