// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Naming a network namespace, finding it again, and being in it.
#include "kernel/netns.hpp"

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernel/netlink.hpp"
#include "kernel/netns_cookie.hpp"
#include "own_netns.hpp"

namespace bpfport {
namespace {

std::uint64_t inode() { return current_netns_inode().value(); }

TEST(ParseNetns, TellsNamePathAndPid) {
    EXPECT_EQ(parse_netns("blue").value().path, "/run/netns/blue");
    EXPECT_EQ(parse_netns("blue2").value().path, "/run/netns/blue2");
    EXPECT_EQ(parse_netns("12").value().path, "/proc/12/ns/net");
    EXPECT_EQ(parse_netns("/run/netns/12").value().path, "/run/netns/12");
    EXPECT_EQ(parse_netns("./x").value().path, "./x");
    using namespace std::string_view_literals;
    for (auto bad : {""sv, "."sv, ".."sv, "a\0b"sv}) {
        auto ref = parse_netns(bad);
        ASSERT_FALSE(ref);
        EXPECT_EQ(ref.error().fault, Fault::kUsage);
        EXPECT_THAT(ref.error().hint, testing::HasSubstr("NAME"));
    }
}

TEST(OpenNetns, ErrorsNameTheRemedy) {
    struct Case {
        const char* text;
        const char* message;
        const char* hint;
    };
    for (const Case& c :
         {Case{"4194304", "open /proc/4194304/ns/net: No such file", "no process has this id"},
          Case{"no-such-netns", "open /run/netns/no-such-netns", ""},
          Case{"/dev/null", "/dev/null is not a network namespace", "ip netns add"},
          Case{"/proc/self/ns/uts", "is not a network namespace", ""},
          Case{"/no/such", "open /no/such: No such file", "NAME, PATH or PID"}}) {
        auto fd = open_netns(parse_netns(c.text).value());
        ASSERT_FALSE(fd) << c.text;
        EXPECT_THAT(fd.error().message, testing::HasSubstr(c.message));
        EXPECT_THAT(fd.error().hint, testing::HasSubstr(c.hint));
    }
}

TEST(OpenNetns, OpensOurOwn) {
    auto fd = open_netns(parse_netns(std::to_string(::getpid())).value());
    ASSERT_TRUE(fd) << fd.error().message;
    EXPECT_EQ(netns_inode(*fd).value(), inode());
    EXPECT_EQ(netns_inode(find_netns(inode()).value()).value(), inode());
    EXPECT_TRUE(all_netns().contains(inode()));
}

TEST(FindNetns, SaysWhenItIsGone) {
    auto fd = find_netns(1);
    ASSERT_FALSE(fd);
    EXPECT_EQ(fd.error().code, ENOENT);
    EXPECT_THAT(fd.error().message, testing::HasSubstr("find network namespace 1"));
}

TEST(ScopedNetns, GoesAndComesBack) {
    auto outside = inode();
    auto outside_cookie = current_netns_cookie();
    auto refusal = in_own_netns([&] {
        const std::uint64_t inside = inode();
        EXPECT_NE(inside, outside);
        if (outside_cookie != 0) {
            EXPECT_NE(current_netns_cookie(), outside_cookie);
        }
        auto back = open_netns(parse_netns(std::to_string(::getpid())).value());
        ASSERT_TRUE(back);
        {
            auto scope = ScopedNetns::enter(*back);
            ASSERT_TRUE(scope) << scope.error().message;
            EXPECT_EQ(inode(), outside);
            EXPECT_EQ(current_netns_cookie(), outside_cookie);
        }
        EXPECT_EQ(inode(), inside);
        EXPECT_EQ(interfaces().value().size(), 1U);
    });
    if (!refusal.empty()) GTEST_SKIP() << refusal;
    EXPECT_EQ(inode(), outside);
}

TEST(NetnsCookie, AProgramTellsTheSame) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    EXPECT_NE(netns_cookie_by_program(), 0U);
    EXPECT_EQ(netns_cookie_by_program(), current_netns_cookie());
}

// As in a container, whose processes have other numbers there than programs see.
TEST(NetnsCookie, AProgramTellsTheSameInAPidNamespace) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    const pid_t parent = ::fork();
    if (parent == 0) {
        if (::unshare(CLONE_NEWPID) != 0) ::_exit(2);
        const pid_t child = ::fork();
        if (child == 0) ::_exit(netns_cookie_by_program() == current_netns_cookie() ? 0 : 1);
        int status = 0;
        ::waitpid(child, &status, 0);
        ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 3);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(parent, &status, 0), parent);
    ASSERT_TRUE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2) GTEST_SKIP() << "PID namespaces can't be made";
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(ParseNetnsLink, TakesOnlyTheKernelsForm) {
    EXPECT_EQ(parse_netns_link("net:[4026531840]"), 4026531840U);
    for (const char* bad : {"", "net:[", "net:[]", "net:[1", "net:[1]x", "mnt:[1]", "net:[-1]",
                            "net:[99999999999999999999999]"})
        EXPECT_EQ(parse_netns_link(bad), std::nullopt) << bad;
}

TEST(FindNetnsMount, ReadsMountinfo) {
    const char* text = "22 28 0:21 / /sys rw,nosuid - sysfs sysfs rw\n"
                       "100 26 0:4 net:[4026532201] /run/netns/blue rw shared:5 - nsfs nsfs rw\n"
                       "101 26 0:4 net:[4026532202] /run/a\\040b\\134 rw - nsfs nsfs rw\n"
                       "102 26\n\n"
                       "103 26 0:4 net:[4026532203] /last";
    EXPECT_EQ(find_netns_mount(text, 4026532201), "/run/netns/blue");
    EXPECT_EQ(find_netns_mount(text, 4026532202), "/run/a b\\");
    EXPECT_EQ(find_netns_mount(text, 4026532203), "/last");
    EXPECT_EQ(find_netns_mount(text, 1), std::nullopt);
    EXPECT_EQ(find_netns_mount("", 1), std::nullopt);
    EXPECT_THAT(mounted_netns(text), testing::ElementsAre(4026532201, 4026532202, 4026532203));
    EXPECT_THAT(mounted_netns(""), testing::IsEmpty());
}

} // namespace
} // namespace bpfport
