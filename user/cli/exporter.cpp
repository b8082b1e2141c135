// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport exporter --listen ADDR:PORT
//
// Two processes. The server faces the network: an unprivileged user, no capability, no descriptor of
// ours but a socket to the collector. The collector faces nobody: it takes a snapshot when the
// server asks for one, opening the store each time, so it sees what is attached later. It keeps the
// user that owns the pins (mode 0600: a process that can open a link can also change it), and CAP_BPF, without
// which the kernel does not tell which connections are on record.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <exception>
#include <latch>
#include <memory>
#include <ostream>

#include <fmt/ostream.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>

#include "cli/command.hpp"
#include "cli/listen_address.hpp"
#include "kernel/confine.hpp"
#include "kernel/privileges.hpp"
#include "kernel/process.hpp"
#include "stats/family_channel.hpp"
#include "stats/metrics.hpp"

namespace bpfport {

namespace {

struct ExporterOptions {
    std::string listen = "127.0.0.1:9880";
    std::string user = "nobody";
    unsigned per_rule = Metrics::kPerRule;
};

// Each connection has a thread as long as it is open: one without a request is closed in time.
const std::vector<std::string> kServing = {"num_threads", "32", "request_timeout_ms", "5000"};

constexpr cap_value_t kCollectorKeeps[] = {CAP_BPF};
constexpr cap_value_t kNeededToDrop[] = {CAP_BPF, CAP_SETPCAP, CAP_SETUID, CAP_SETGID};

// What the HTTP library asks for each scrape. The port is open before the collector knows that we are
// ready, and that has to be the first thing it receives: early scrapes wait.
class Relay : public prometheus::Collectable {
  public:
    explicit Relay(FamilyChannel& channel) : channel_(channel) {}
    void start() { started_.count_down(); }
    [[nodiscard]] Families Collect() const override {
        started_.wait();
        auto families = channel_.ask();
        if (families) return *families;
        Metrics none;
        none.set_up(false);
        return none.families();
    }

  private:
    FamilyChannel& channel_;
    std::latch started_{1};
};

Result<void> serve(FamilyChannel& channel, const ListenAddress& address) {
    if (auto tried = address.try_bind(); !tried) return tried;
    try {
        auto relay = std::make_shared<Relay>(channel);
        std::vector<std::string> how = {"listening_ports", address.text()};
        how.insert(how.end(), kServing.begin(), kServing.end());
        prometheus::Exposer exposer(std::move(how));
        exposer.RegisterCollectable(relay);
        BP_TRY(channel.ready(fmt::format("serving http://{}/metrics (server: pid {}, {}",
                                         address.with_port(exposer.GetListeningPorts().at(0)),
                                         getpid(), describe_privileges())),
               "start");
        relay->start();
        channel.wait_for_end();
        return {};
    } catch (const std::exception& error) {
        return failure(fmt::format("serve {}: {}", address.text(), error.what()));
    }
}

// The server's process, from fork to end.
[[noreturn]] void run_server(FamilyChannel channel, const ListenAddress& address, const User& user,
                             pid_t collector) {
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        null < 0 ? close(fd) : dup2(null, fd);
    auto served = keep_only({}, user);
    // After the change of user, which clears it.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != collector) _exit(1);
    if (served) served = serve(channel, address);
    if (!served) (void)channel.give_up(served.error());
    _exit(served ? 0 : 1);
}

// A snapshot now. Prints why there is none, once as long as the reason stays the same.
Families collect(const Session& session, unsigned per_rule, std::string& complaint) {
    Metrics metrics(per_rule);
    auto store = open_for_reading(session);
    auto view =
        store ? take_view(*store, Owners::kSkip) : Result<View>(std::unexpected(store.error()));
    if (view) {
        metrics.add(*view);
        metrics.add_grants(view->cgroups);
    }
    metrics.set_up(view.has_value());
    std::string now = view ? "" : view.error().message;
    if (!now.empty() && now != complaint) fmt::print(session.err, "bpfport: collect: {}\n", now);
    session.err.flush();
    complaint = now;
    return metrics.families();
}

Result<void> run_collector(const Session& session, unsigned per_rule, FamilyChannel channel) {
    const User self{user_name(geteuid()), geteuid(), getegid()};
    BP_TRY(keep_only(kCollectorKeeps, self), "drop privileges");
    auto ready = channel.wait_until_ready();
    if (!ready) return std::unexpected(ready.error());
    fmt::print(session.out, "{}; collector: pid {}, {})\n", *ready, getpid(),
               describe_privileges());
    session.out.flush();
    std::string complaint;
    for (;;) {
        auto asked = channel.wait_for_request();
        if (!asked) return std::unexpected(asked.error());
        if (!*asked) return failure("the server's process has ended");
        BP_TRY(channel.answer(collect(session, per_rule, complaint)), "answer");
    }
}

Result<void> exporter(const Session& session, const ExporterOptions& options) {
    close_inherited(); // neither process has a use for what the caller had open
    auto address = ListenAddress::parse(options.listen);
    if (!address) return std::unexpected(address.error());
    auto user = find_user(options.user);
    if (!user) return std::unexpected(user.error());
    if (auto able = require_capabilities(kNeededToDrop); !able) return able;
    if (!address->is_loopback())
        print_warnings(session,
                       {{fmt::format("any client that reaches {} can read the metrics: there is no "
                                     "password and no TLS",
                                     address->text()),
                         {}}});
    if (auto entered = enter_session_netns(session); !entered) return entered;
    auto channel = FamilyChannel::make();
    if (!channel) return std::unexpected(channel.error());
    auto& [collector, server] = *channel;

    pid_t self = getpid();
    pid_t child = fork();
    if (child < 0) return system_error("fork");
    if (child == 0) {
        { FamilyChannel not_ours(std::move(collector)); }
        run_server(std::move(server), *address, *user, self);
    }
    { FamilyChannel not_ours(std::move(server)); }
    auto done = run_collector(session, options.per_rule, std::move(collector));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    return done;
}

} // namespace

Command add_exporter(CommandLine& app) {
    auto options = std::make_shared<ExporterOptions>();
    auto* command = app.add_subcommand("exporter", "Serve metrics to Prometheus");
    command->footer("Of one network namespace. docs/metrics.md lists the metrics, and what the two "
                    "processes are still allowed to do.");
    command->add_option("--listen", options->listen, "Where (port 0: any; ports from 1024 on)")
        ->type_name("ADDR:PORT")
        ->capture_default_str();
    command->add_option("--user", options->user, "User that the server process runs as")
        ->type_name("NAME")
        ->suggest(Values::kUsers)
        ->capture_default_str();
    add_per_rule_limit(*command, options->per_rule);
    return {command, [options](const Session& session) { return exporter(session, *options); }};
}

} // namespace bpfport
