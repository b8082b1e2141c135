// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Policy files put into force: what is added, changed, removed and left, that it is all or nothing, and
// that what is in force already is not touched.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <map>

#include <fmt/format.h>

#include "harness/amount.hpp"
#include "harness/sweep.hpp"
#include "kernel/bpf.hpp"
#include "net/killed.hpp"
#include "net/rules/policy.hpp"

namespace bpfport::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

constexpr auto kServer = ClientServer::server_address;

// Calls by which apply changed something, as strace shows them. The time of the state's directory is set by each command
// that had the lock.
std::vector<std::string> changing_calls_of_apply(const Netns& netns, const PolicyText& file) {
    const PolicyText log("");
    const auto command = bpfport_command({"--netns", netns.name(), "apply", file.name()});
    EXPECT_EQ(run(traced(command, log.name())).status, 0);
    std::vector<std::string> texts;
    for (const auto& call : changing_calls(log.name())) {
        if (call.name == "utimensat") continue;
        // Before SO_NETNS_COOKIE a program reads the cookie, whose link lives for one bind().
        if (!kernel_at_least(5, 14) && call.text.find("BPF_CGROUP_INET4_BIND") != call.text.npos)
            continue;
        texts.push_back(call.text);
    }
    return texts;
}

// What is written without a call: the maps of the rule table, each with both of its sides, by their names.
std::map<std::string, std::string> mapped(const Netns& netns) {
    std::map<std::string, std::string> contents;
    const auto instance = fmt::format("{}/netns-{}", state_root(), netns.inode());
    for (const auto& pin : std::filesystem::directory_iterator(instance)) {
        const auto map = open_pin(pin.path());
        const auto info = map && !is_program(*map) ? map_info(*map, "") : failure("no map");
        if (!info) continue;
        const std::size_t size = std::size_t{info->value_size + 7U} / 8 * 8 * info->capacity;
        void* memory = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, map->get(), 0);
        if (memory == MAP_FAILED) continue;
        contents.emplace(pin.path().filename(), std::string(static_cast<char*>(memory), size));
        ::munmap(memory, size);
    }
    return contents;
}

using Policy = EveryEngine;
INSTANTIATE_TEST_SUITE_P(, Policy, testing::Values("tc", "xdp", "sklookup", "auto"), engine_param);

TEST_P(Policy, IsInForceAndAppliedAgainChangesNothing) {
    const ClientServer net;
    const Service web(net.server, 3000);
    const Service other(net.server, 4000, {.answer = "other"});
    const std::string engine = fmt::format("engine = \"{}\"\n", GetParam());
    const PolicyText file(entry("eth0", "\"80:3000/tcp\", \"8000-8009:=3000\"", engine));
    const auto planned = apply(net.server, file, {"--dry-run"});
    EXPECT_EQ(planned.status, 0) << planned.err;
    EXPECT_THAT(planned.out, HasSubstr("to add: 80:3000 on eth0 ("));
    EXPECT_THAT(planned.out, HasSubstr("nothing was changed (--dry-run)"));
    EXPECT_THAT(rules(net.server), IsEmpty());
    EXPECT_TRUE(expect_kernel_empty({net.server}));

    const auto done = apply(net.server, file);
    EXPECT_EQ(done.status, 0) << done.err;
    EXPECT_THAT(done.out, HasSubstr("added: 80:3000 on eth0 ("));
    EXPECT_THAT(done.out, HasSubstr("2 added, 0 the same\n"));
    for (const bool ipv6 : {false, true}) {
        EXPECT_EQ(ask(net.client, {kServer(ipv6), 80}, Transport::kTcp), "hello");
        EXPECT_EQ(ask(net.client, {kServer(ipv6), 8007}, Transport::kTcp), "hello");
    }
    auto open = connected(net.client, {kServer(false), 80});
    EXPECT_TRUE(alive(open));
    const auto before = status(net.server);
    EXPECT_THAT(apply(net.server, file).out,
                testing::AllOf(HasSubstr("same: 80:3000 on eth0 ("), HasSubstr("\n2 the same\n")));
    if (have_program("strace")) {
        EXPECT_THAT(changing_calls_of_apply(net.server, file), IsEmpty());
    }

    // Another target: as with --replace, open connections stay where they are.
    file.write(entry("eth0", "\"80:4000\", \"8000-8009:=3000\"", engine));
    const auto changed = apply(net.server, file);
    EXPECT_EQ(changed.status, 0) << changed.err;
    EXPECT_THAT(changed.out, HasSubstr("changed: 80:4000 on eth0 ("));
    EXPECT_THAT(changed.out, HasSubstr("before: 80:3000"));
    EXPECT_THAT(changed.out, HasSubstr("1 changed, 1 the same\n"));
    EXPECT_TRUE(alive(open));
    EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "other");
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// Exported, it applies to no change; and from nothing it makes the same rules again.
TEST_P(Policy, IsExportedAsItIs) {
    const ClientServer net;
    const std::string engine = GetParam();
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000 8000-8009:=3000 192.0.2.0/24:81:3001")));
    ASSERT_TRUE(works(net.server, attach("any [2001:db8::1]:82:3002")));
    ASSERT_TRUE(works(net.server, attach("eth0 80:3100@198.51.100.0/24,::/0,-198.51.100.7 "
                                         "80:3101@-198.51.100.0/24")));
    ASSERT_TRUE(works(net.server, "attach eth0 53:5300/udp --on-absent drop --engine tc"));
    const char* more = engine == "sklookup" ? "eth0 83:3003 --sockname listen --on-absent pass"
                       : engine == "tc"     ? "eth0 83:3003 --exclusive --vlan"
                                            : "eth0 83:3003 --forwarded --vlan --no-local";
    ASSERT_TRUE(works(net.server, attach(more)));
    ASSERT_TRUE(works(net.client, attach("eth0 85:3005")));
    const auto before = rules(net.server);
    const auto exported = bpfport(net.server, {"export"});
    ASSERT_EQ(exported.status, 0) << exported.err;
    EXPECT_THAT(exported.out, HasSubstr(fmt::format("netns = \"{}\"", net.client.name())));
    EXPECT_THAT(exported.out, Not(HasSubstr("Left out")));
    const PolicyText file(exported.out);
    const auto same = fmt::format("\n{} the same\n", before.size() + 1);
    const auto again = apply(net.server, file, {"--prune"});
    EXPECT_EQ(again.status, 0) << again.err << exported.out;
    EXPECT_THAT(again.out, testing::AllOf(testing::EndsWith(same), Not(HasSubstr("repaired"))));
    ASSERT_EQ(bpfport({"detach", "--all"}).status, 0);
    EXPECT_EQ(apply(net.server, file).status, 0);
    EXPECT_THAT(rules(net.server), testing::UnorderedElementsAreArray(before));
    EXPECT_EQ(bpfport(net.server, {"export"}).out, exported.out);
    ASSERT_EQ(bpfport({"detach", "--all"}).status, 0);
    EXPECT_TRUE(expect_kernel_empty({net.server, net.client}));
}

TEST_F(NetTest, ExportSaysWhatItLeavesOut) {
    const ClientServer net;
    const Service web(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000"));
    auto open = connected(net.client, {kServer(false), 80});
    ASSERT_TRUE(alive(open));
    (void)tool(net.server, "detach eth0 80:3000 --drain --timeout 1");
    EXPECT_THAT(tool(net.server, "export").out,
                testing::AllOf(HasSubstr("# Left out: 80:3000 on eth0: draining\n"),
                               Not(HasSubstr("[[interface]]"))));
    ASSERT_EQ(bpfport({"detach", "--all"}).status, 0);
    EXPECT_THAT(tool(net.server, "export").out, Not(HasSubstr("Left out")));
}

TEST_F(NetTest, PolicyLeavesRulesOfOthersUnlessItPrunes) {
    const ClientServer net;
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000 81:3000 82:3000/udp"));
    const PolicyText file(entry("eth0", "\"80:3000\"", "engine = \"tc\""));
    const auto left = apply(net.server, file);
    EXPECT_THAT(left.out, HasSubstr("left: 81:3000 on eth0 (tc)\n"));
    EXPECT_THAT(left.out,
                HasSubstr("1 the same, 2 left, which no file has (--prune removes them)"));
    EXPECT_EQ(rules(net.server).size(), 3U);
    EXPECT_THAT(apply(net.server, file, {"--prune", "--dry-run"}).out,
                HasSubstr("to remove: 82:3000/udp on eth0 (tc)\n"));
    EXPECT_EQ(rules(net.server).size(), 3U);
    EXPECT_THAT(apply(net.server, file, {"--prune"}).out,
                HasSubstr("removed: 82:3000/udp on eth0 (tc)\nsame: 80:3000 on eth0 (tc)\n2 "
                          "removed, 1 the same\n"));
    EXPECT_THAT(rules(net.server), ElementsAre("80:3000 on eth0"));
    // What would contradict a rule that goes is no conflict.
    const PolicyText next(entry("eth0", "\"3000:5000\"", "engine = \"tc\""));
    EXPECT_EQ(apply(net.server, next).status, 1);
    EXPECT_EQ(apply(net.server, next, {"--prune"}).status, 0);
    EXPECT_THAT(rules(net.server), ElementsAre("3000:5000 on eth0"));
    // An empty policy is one; no policy is a mistake.
    const PolicyText empty("");
    EXPECT_EQ(apply(net.server, empty, {"--prune"}).status, 0);
    EXPECT_TRUE(expect_kernel_empty({net.server}));
    EXPECT_EQ(bpfport(net.server, {"apply", "/nonexistent"}).status, 1);
}

TEST_F(NetTest, PolicyOfSeveralNamespacesAndOfWhatIsNotThere) {
    const ClientServer net;
    const std::string tc = "engine = \"tc\"\n";
    const PolicyText file(
        entry("eth0", "\"80:3000\"", tc) + entry("eth9", "\"81:3000\"", tc) +
        entry("eth*", "\"82:3000\"", tc + fmt::format("netns = \"{}\"", net.client.name())) +
        entry("eth0", "\"83:3000\"", tc + "netns = \"bpt-nosuch\"") +
        entry("eth0", "\"84:3000\"", tc + "owner = \"nosuchuser\"") +
        "[[cgroup]]\nunit = \"bpt-nosuch\"\ngrants = [80]\n");
    const auto done = apply(net.server, file);
    EXPECT_EQ(done.status, 0) << done.err;
    EXPECT_THAT(done.out, HasSubstr("2 added, 0 the same, 4 skipped\n"));
    for (const char* missing : {"eth9", "bpt-nosuch", "nosuchuser", "bpt-nosuch.service"})
        EXPECT_THAT(done.err,
                    testing::ContainsRegex(fmt::format(":[0-9]+:[0-9]+: skipped: .*{}", missing)));
    EXPECT_THAT(rules(net.server), ElementsAre("80:3000 on eth0"));
    EXPECT_THAT(rules(net.client), ElementsAre("82:3000 on eth0"));
    EXPECT_THAT(apply(net.server, file).out, HasSubstr("\n2 the same, 4 skipped\n"));
    const PolicyText required(entry("eth0", "\"85:3000\"", tc) +
                              entry("eth9", "\"81:3000\"", tc + "required = true"));
    const auto refused = apply(net.server, required);
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.err, HasSubstr("required: no interface eth9"));
    EXPECT_THAT(rules(net.server), ElementsAre("80:3000 on eth0"));
    // A pattern and a name that are the same interface.
    const PolicyText twice(entry("eth0", "\"80:3000\"", tc) +
                           entry("eth*", "\"80:4000\"", tc + "no_local = true"));
    EXPECT_THAT(apply(net.server, twice).err, HasSubstr("are both for this interface"));
    ASSERT_EQ(bpfport({"detach", "--all"}).status, 0);
    EXPECT_TRUE(expect_kernel_empty({net.server, net.client}));
}

TEST_F(NetTest, PolicyRepairsWhatIsNotInForce) {
    const ClientServer net;
    const Service web(net.server, 3000);
    const PolicyText file(entry("any", "\"80:3000\"", "engine = \"tc\""));
    ASSERT_EQ(apply(net.server, file).status, 0);
    const Netns late;
    const VethPair pair(late, "eth0", net.server, "eth9");
    EXPECT_THAT(status(net.server).at("unhooked"), ElementsAre("eth9"));
    EXPECT_THAT(apply(net.server, file).out, HasSubstr("repaired: hooks, programs and addresses"));
    EXPECT_THAT(status(net.server).at("unhooked"), IsEmpty());
    EXPECT_THAT(apply(net.server, file).out, Not(HasSubstr("repaired")));
    net.link.b.add_address("10.1.0.3/24");
    EXPECT_THAT(apply(net.server, file).out, HasSubstr("repaired"));
    EXPECT_THAT(apply(net.server, file).out, Not(HasSubstr("repaired")));
    // A rule that drains is taken back into force.
    auto open = connected(net.client, {kServer(false), 80});
    ASSERT_TRUE(alive(open));
    (void)tool(net.server, "detach any 80:3000 --drain --timeout 1");
    EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "refused");
    EXPECT_EQ(apply(net.server, file).status, 0);
    EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "hello");
    EXPECT_TRUE(alive(open));
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// Of the programs that were run and have ended: the clock counts what others do as well.
std::chrono::milliseconds cpu_time() {
    rusage used{};
    ::getrusage(RUSAGE_CHILDREN, &used);
    const auto of = [](const timeval& time) {
        return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
    };
    return std::chrono::duration_cast<std::chrono::milliseconds>(of(used.ru_utime) +
                                                                 of(used.ru_stime));
}

TEST_F(NetTest, PolicyOfManyRules) {
    const ClientServer net;
    const unsigned count = quick_or_full(10'000, 10'000, 1'000);
    std::string list;
    for (unsigned i = 0; i < count; i++) list += fmt::format("\"{}:{}\",", 10001 + i, 20001 + i);
    const PolicyText file(entry("eth0", list, "engine = \"tc\""));
    const auto begin = cpu_time();
    const auto done = apply(net.server, file);
    const auto applied = cpu_time();
    EXPECT_EQ(done.status, 0) << done.err;
    EXPECT_THAT(done.out, HasSubstr(fmt::format("\n{} added, 0 the same\n", count)));
    const auto before = mapped(net.server);
    EXPECT_GE(before.size(), 3U);
    const auto second = cpu_time();
    EXPECT_EQ(apply(net.server, file).out, fmt::format("{} the same\n", count));
    fmt::print("{} rules applied in {} ms of CPU time, again in {} ms\n", count,
               (applied - begin).count(), (cpu_time() - second).count());
#ifndef __SANITIZE_ADDRESS__
    if (!is_emulated()) {
        EXPECT_LT(applied - begin, 1s);
    }
#endif
    EXPECT_TRUE(mapped(net.server) == before);
    if (have_program("strace")) {
        EXPECT_THAT(changing_calls_of_apply(net.server, file), IsEmpty());
    }
    ASSERT_TRUE(works(net.server, "detach --all"));
}

TEST_F(NetTest, PolicyIsNotTakenFromAFileThatOthersMayWrite) {
    const ClientServer net;
    const PolicyText file(entry("eth0", "\"80:3000\""));
    ASSERT_EQ(::chmod(file.name().c_str(), 0666), 0);
    const auto refused = apply(net.server, file);
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.err, HasSubstr("chmod o-w"));
    EXPECT_THAT(rules(net.server), IsEmpty());
}

} // namespace
} // namespace bpfport::test
