// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Entries of other versions, namespaces that have ended, and changes that end half done.
#include <sys/mount.h>

#include <cstring>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "bpfport/meta.h"

#include "net/trust/trust.hpp"

namespace bpfport::test {
namespace {

namespace fs = std::filesystem;
using testing::Not;

// Another version's meta has another size; there is no newer one to ask.
void make_unreadable(const fs::path& directory) {
    ASSERT_TRUE(fs::remove(directory / "meta"));
    const Fd map(bpf_map_create(BPF_MAP_TYPE_ARRAY, "bp_meta", 4, 4000, 1, nullptr));
    ASSERT_EQ(bpf_obj_pin(map.get(), (directory / "meta").c_str()), 0);
}

fs::path entry_of(const std::string& prefix) {
    for (const auto& entry : fs::directory_iterator(state_root()))
        if (entry.path().filename().native().starts_with(prefix)) return entry.path();
    return {};
}

TEST_F(Trust, D15_AnotherVersionsAttachmentIsKept) {
    for (const char* hook : {"clsact", "tcx"}) {
        SCOPED_TRACE(hook);
        if (std::string_view(hook) == "tcx" && !kernel_at_least(6, 6)) continue;
        const ClientServer net;
        const Service service(net.server, 3000);
        ASSERT_TRUE(works(net.server, std::string("attach eth0 80:3000 --hook ") + hook));
        const auto interface = entry_of("tc-").filename().native();
        for (const char* prefix : {"netns-", "tc-"})
            for (const auto& entry : fs::directory_iterator(state_root()))
                if (entry.path().filename().native().starts_with(prefix))
                    make_unreadable(entry.path());
        // An unrelated command sweeps what is dead.
        const auto run = bp({"run", "--user", "nobody", "--grant", "80", "--", "true"},
                            {.cgroup = cgroup.get()});
        EXPECT_THAT(run.err, HasSubstr(interface + " can't be read: another version"));
        EXPECT_THAT(run.err, HasSubstr("detach --all"));
        EXPECT_TRUE(fs::exists(state_root() + "/" + interface));
        EXPECT_EQ(ask(net.client, {"10.1.0.2", 80}, Transport::kTcp), "hello");
        EXPECT_THAT(tool(net.server, "doctor").out, HasSubstr("another version"));
        EXPECT_TRUE(refuses(net.server, "attach eth0 81:3000", 1, {"another version"}));
        const auto all = bpfport({"detach", "--all"});
        EXPECT_EQ(all.status, 0) << all.err;
        std::string answer; // the kernel lets go of a link a moment after its pin
        for (int i = 0; i < 40 && answer != "refused"; i++, std::this_thread::sleep_for(50ms))
            answer = ask(net.client, {"10.1.0.2", 80}, Transport::kTcp);
        EXPECT_EQ(answer, "refused");
        EXPECT_TRUE(expect_kernel_empty({net.server, net.client}));
    }
}

// The same sizes, and another ABI number.
void set_abi(const fs::path& directory, std::uint32_t abi) {
    const Fd map(bpf_obj_get((directory / "meta").c_str()));
    bpf_map_info info{};
    std::uint32_t size = sizeof(info), key = 0;
    ASSERT_EQ(bpf_obj_get_info_by_fd(map.get(), &info, &size), 0);
    std::vector<std::uint8_t> meta(info.value_size);
    ASSERT_EQ(bpf_map_lookup_elem(map.get(), &key, meta.data()), 0);
    std::memcpy(meta.data(), &abi, sizeof(abi));
    ASSERT_EQ(bpf_map_update_elem(map.get(), &key, meta.data(), BPF_ANY), 0);
}

TEST_F(Trust, D15_TheAbiIsCheckedOfEveryKindOfDirectory) {
    REQUIRE_ENGINE("sklookup");
    const ClientServer net;
    const Service service(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach --engine auto eth0 80:3000"));
    for (const char* prefix : {"netns-", "tc-", "sklookup-"}) {
        SCOPED_TRACE(prefix);
        const auto entry = entry_of(prefix);
        ASSERT_NO_FATAL_FAILURE(set_abi(entry, BP_ABI + 1));
        EXPECT_TRUE(refuses(net.server, "attach --engine auto eth0 81:3000", 1,
                            {"another version", entry.filename().native()}));
        EXPECT_TRUE(refuses(net.server, "detach eth0", 1, {"another version"}));
        EXPECT_TRUE(fs::exists(entry));
        EXPECT_EQ(ask(net.client, {"10.1.0.2", 80}, Transport::kTcp), "hello");
        ASSERT_NO_FATAL_FAILURE(set_abi(entry, BP_ABI));
    }
    EXPECT_TRUE(works(net.server, "attach --engine auto eth0 81:3000"));
    EXPECT_TRUE(works(net.server, "detach eth0"));
}

// What ABI 2 left on the root cgroup, under the names it had there.
void make_abi_2(const std::string& root) {
    fs::rename(root + "/local_clients", root + "/neighbours");
    fs::rename(root + "/host/lease", root + "/host/watch");
    fs::rename(root + "/host/orig_ports", root + "/host/asked");
    fs::rename(root + "/host/sockname_set", root + "/host/told");
    for (const char* directory : {"neighbours", "guard"})
        ASSERT_NO_FATAL_FAILURE(set_abi(fs::path(root) / directory, 2));
}

TEST_F(Trust, D15_ProgramsOnTheRootCgroupOfAnotherAbiAreReleased) {
    REQUIRE_RULES();
    const auto root = state_root();
    const std::vector<std::string> attach = {"attach", "cgroup:" + cgroup->name(), "80:3000",
                                             "--owner", "nobody"};
    const auto attached = bp(attach);
    ASSERT_EQ(attached.status, 0) << attached.err;
    ASSERT_NO_FATAL_FAILURE(make_abi_2(root));
    const auto entry = entry_of("cgroup-");
    ASSERT_NO_FATAL_FAILURE(set_abi(entry, 2));

    // In use: kept, and no command makes programs beside them.
    const auto refused = bp(attach);
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.err, HasSubstr("another version"));
    for (const char* directory : {"neighbours", "guard", "host"})
        EXPECT_TRUE(fs::exists(root + "/" + directory)) << directory;
    EXPECT_FALSE(fs::exists(root + "/local_clients"));

    // The interface rules of this version add to host/ what they need there.
    EXPECT_TRUE(works(*netns, "attach lo 81:3000"));
    EXPECT_TRUE(works(*netns, "detach lo"));

    // Unused, as `detach --all` leaves it when it is killed: removed by any command.
    for (const auto& pin : fs::directory_iterator(entry)) fs::remove(pin.path());
    fs::remove(entry);
    const auto again = bp(attach);
    EXPECT_EQ(again.status, 0) << again.err;
    for (const char* gone : {"neighbours", "host/watch"})
        EXPECT_FALSE(fs::exists(root + "/" + gone)) << gone;
    EXPECT_TRUE(fs::exists(root + "/local_clients"));

    ASSERT_NO_FATAL_FAILURE(make_abi_2(root));
    const auto all = bpfport({"detach", "--all"});
    EXPECT_EQ(all.status, 0) << all.err;
    EXPECT_EQ(entries(), "");
}

TEST_F(Trust, D15_FiltersThatOutlivedTheirPinsAreFound) {
    const ClientServer net;
    const Service service(net.server, 3000);
    const std::string mount = directory_ + "/bpf";
    const auto mount_bpffs = [&] { return ::mount("bpf", mount.c_str(), "bpf", 0, "mode=0700"); };
    ::mkdir(mount.c_str(), 0700);
    ASSERT_EQ(mount_bpffs(), 0);
    const auto there = [&](std::vector<std::string> words) {
        words.insert(words.begin(), {bpfport_binary(), "--state", mount + "/bpfport", "--netns",
                                     net.server.name()});
        return test::run(words);
    };
    const auto attached =
        there({"attach", "--engine", "tc", "--hook", "clsact", "eth0", "80:3000"});
    EXPECT_EQ(attached.status, 0) << attached.err;
    EXPECT_EQ(ask(net.client, {"10.1.0.2", 80}, Transport::kTcp), "hello");
    ASSERT_EQ(::umount2(mount.c_str(), MNT_DETACH), 0);
    ASSERT_EQ(mount_bpffs(), 0);
    const auto detached = there({"detach", "--all"});
    EXPECT_EQ(detached.status, 0) << detached.err;
    EXPECT_EQ(::umount2(mount.c_str(), MNT_DETACH), 0);
    std::string answer;
    for (int i = 0; i < 40 && answer != "refused"; i++, std::this_thread::sleep_for(50ms))
        answer = ask(net.client, {"10.1.0.2", 80}, Transport::kTcp);
    EXPECT_EQ(answer, "refused");
}

TEST_F(Trust, D16_ADeadNamespacesRulesAreNotShown) {
    REQUIRE_KERNEL(5, 14);
    const auto inode = [](const Netns& of) {
        struct stat status {};
        ::fstat(of.fd(), &status);
        return status.st_ino;
    };
    auto dead = std::make_unique<Netns>();
    const auto its = inode(*dead);
    ASSERT_EQ(bpfport(*dead, {"attach", "--engine", "tc", "lo", "80:3000"}).status, 0);
    dead.reset();
    std::vector<std::unique_ptr<Netns>> others;
    for (int i = 0; i < 30; i++, std::this_thread::sleep_for(50ms)) {
        others.push_back(std::make_unique<Netns>());
        if (inode(*others.back()) == its) break;
    }
    const Netns& heir = *others.back();
    if (inode(heir) != its) GTEST_SKIP() << "no namespace got the inode of the dead one";
    EXPECT_THAT(bpfport(heir, {"status"}).out, Not(HasSubstr("80:3000")));
    EXPECT_THAT(bpfport(heir, {"metrics"}).out, Not(HasSubstr("80:3000")));
    EXPECT_THAT(bpfport(heir, {"trace", "--seconds", "1"}).err, HasSubstr("nothing is attached"));
}

TEST_F(Trust, D16_AnErrorAfterTheChangeSaysWhatHolds) {
    const ClientServer net;
    const Service service(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000"));
    // A mount point can't be removed.
    const std::string inside = entry_of("tc-").native() + "/mount";
    ASSERT_EQ(::mkdir(inside.c_str(), 0700), 0);
    ASSERT_EQ(::mount(directory_.c_str(), inside.c_str(), nullptr, MS_BIND, nullptr), 0);
    const auto result = tool(net.server, "detach eth0");
    EXPECT_EQ(result.status, 1);
    EXPECT_THAT(result.err, HasSubstr("no rule is in force any more, but not all is cleaned up"));
    EXPECT_EQ(ask(net.client, {"10.1.0.2", 80}, Transport::kTcp), "refused");
    for (const auto& entry : fs::directory_iterator(state_root()))
        ::umount2((entry.path() / "mount").c_str(), MNT_DETACH);
    const auto all = bpfport({"detach", "--all"});
    EXPECT_EQ(all.status, 0) << all.err;
}

} // namespace
} // namespace bpfport::test
