// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport doctor: what stands between clients and the programs behind the rules.
#include <algorithm>
#include <ostream>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/command.hpp"
#include "doctor/cgroup_checks.hpp"
#include "doctor/exporter_checks.hpp"
#include "doctor/hook_checks.hpp"
#include "doctor/host_checks.hpp"
#include "doctor/object_checks.hpp"
#include "doctor/probe.hpp"
#include "doctor/rule_checks.hpp"
#include "firewall/read_firewall.hpp"
#include "kernel/local_routes.hpp"
#include "kernel/sysctl.hpp"
#include "state/unreadable.hpp"
#include "stats/view.hpp"

namespace bpfport {

namespace {

struct DoctorOptions {
    bool probe = false;
    bool json = false;
    bool quiet = false;
};

Result<NetworkFacts> network_facts() {
    NetworkFacts facts;
    auto host = host_facts();
    if (!host) return std::unexpected(host.error());
    facts.host = std::move(*host);
    facts.listeners = ListenerIndex(facts.host.listeners);
    auto addresses = interface_addresses();
    if (!addresses) return std::unexpected(addresses.error());
    auto local = local_prefixes();
    if (!local) return std::unexpected(local.error());
    facts.network = {
        facts.host.interfaces, std::move(*addresses), std::move(*local), {}, ipsec_policies()};
    facts.forwards_v4 = read_net_sysctl("ipv4/ip_forward").value_or("0") == "1";
    facts.forwards_v6 = read_net_sysctl("ipv6/conf/all/forwarding").value_or("0") == "1";
    return facts;
}

Result<Findings> examine(const Session& session, const DoctorOptions& options) {
    Findings findings;
    check_capabilities(findings);
    check_kernel(findings);
    check_objects(findings);
    check_mounts(session.root, findings);
    check_exporters(findings);
    auto store = open_for_reading(session);
    if (!store) return std::unexpected(store.error());
    if (auto entered = enter_session_netns(session); !entered)
        return std::unexpected(entered.error());
    auto unread = store->undisturbed(
        [&]() -> Result<std::vector<std::string>> { return unreadable(*store); });
    if (!unread) return std::unexpected(unread.error());
    for (const auto& entry : *unread)
        findings.push_back({Severity::kWarning, entry, kUnreadableText, kUnreadableHint});
    auto facts = network_facts();
    if (!facts) return std::unexpected(facts.error());
    auto view = take_view(*store, facts->host);
    if (!view) {
        findings.push_back({Severity::kBroken, "state", view.error().message, view.error().hint});
        return findings;
    }
    auto& snapshot = view->interfaces;
    check_cgroups(view->cgroups, facts->host, findings);
    if (!snapshot) {
        if (!view->cgroups.empty()) return findings;
        findings.push_back(
            {Severity::kNote, "rules", "nothing is attached in this network namespace", {}});
        return findings;
    }
    check_instance(*snapshot, findings);
    auto hooks = store->undisturbed([&]() -> Result<Findings> {
        Findings found;
        check_hooks(*store, *snapshot, *facts, found);
        return found;
    });
    if (!hooks) return std::unexpected(hooks.error());
    std::ranges::move(*hooks, std::back_inserter(findings));
    auto reading = read_firewall();
    facts->network.firewall = std::move(reading.firewall);
    if (!reading.unreadable.empty())
        findings.push_back({Severity::kNote, "firewall",
                            "can't tell what the firewall does: " + reading.unreadable,
                            "install nftables and run as root; or bpfport doctor --probe"});
    for (const auto& rule : snapshot->rules) {
        check_rule(rule, snapshot->rules, *facts, findings);
        check_firewall(rule, *facts, findings);
    }
    check_unserved(*snapshot, *facts, findings);
    if (options.probe) probe_rules(*snapshot, *facts, findings);
    return findings;
}

void print_text(std::ostream& out, const Findings& findings, bool quiet) {
    for (const auto& finding : findings) {
        if (quiet && finding.severity == Severity::kOk) continue;
        fmt::print(out, "{:<8} {}: {}\n", severity_name(finding.severity), finding.subject,
                   finding.text);
        if (!finding.remedy.empty() && finding.severity != Severity::kOk)
            fmt::print(out, "         remedy: {}\n", finding.remedy);
    }
}

void print_json(std::ostream& out, const Findings& findings) {
    nlohmann::ordered_json json = nlohmann::ordered_json::array();
    for (const auto& finding : findings)
        json.push_back({{"severity", severity_name(finding.severity)},
                        {"subject", finding.subject},
                        {"text", finding.text},
                        {"remedy", finding.remedy}});
    fmt::print(out, "{}\n", json_text(json, 2));
}

Result<void> doctor(const Session& session, const DoctorOptions& options) {
    auto findings = examine(session, options);
    if (!findings) return std::unexpected(findings.error());
    if (options.json)
        print_json(session.out, *findings);
    else
        print_text(session.out, *findings, options.quiet);
    session.out.flush();
    auto broken = std::ranges::count(*findings, Severity::kBroken, &Finding::severity);
    if (broken)
        return failure(fmt::format("{} finding{} break{} service", broken, broken == 1 ? "" : "s",
                                   broken == 1 ? "s" : ""));
    return {};
}

} // namespace

Command add_doctor(CommandLine& app) {
    auto options = std::make_shared<DoctorOptions>();
    auto* command =
        app.add_subcommand("doctor", "Look for problems that keep clients from being served");
    command->footer("Changes nothing. Exit status: 0 when nothing breaks service, 1 when something "
                    "does.");
    command->add_flag("--probe", options->probe,
                      "Send a packet through each rule and say what came back, by which path");
    command->add_flag("--json", options->json, "Print JSON");
    command->add_flag("--quiet", options->quiet, "Leave out findings that are ok");
    return {command, [options](const Session& session) { return doctor(session, *options); }};
}

} // namespace bpfport
