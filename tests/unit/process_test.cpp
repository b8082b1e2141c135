// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The process that holds a socket, and the texts of /proc it is read from.
#include "kernel/process.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fd.hpp"
#include "base/file.hpp"

namespace bpfport {
namespace {

std::uint32_t inode_of(const Fd& socket) {
    struct stat status {};
    ::fstat(socket.get(), &status);
    return static_cast<std::uint32_t>(status.st_ino);
}

TEST(SocketOwners, FindsUs) {
    Fd one(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    Fd two(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_TRUE(one && two);
    std::uint32_t inodes[] = {inode_of(one), inode_of(two), 0, 0xffffffff};
    auto owners = socket_owners(inodes);
    EXPECT_EQ(owners.size(), 2U);
    for (std::uint32_t inode : {inodes[0], inodes[1]}) {
        ASSERT_TRUE(owners.contains(inode));
        EXPECT_EQ(owners[inode].pid, ::getpid());
        EXPECT_EQ(owners[inode].uid, ::getuid());
        EXPECT_FALSE(owners[inode].comm.empty());
    }
    EXPECT_TRUE(socket_owners({}).empty());
}

// As those of a process that ends between open(2) and read(2).
TEST(Process, AFileThatCantBeReadIsEmpty) {
    EXPECT_EQ(read_file("/proc/self/mem"), ""); // at 0: EIO
    EXPECT_EQ(read_file("/proc/self/none"), "");
    EXPECT_NE(read_file("/proc/self/comm"), "");
}

TEST(Process, IsNamed) {
    EXPECT_EQ((Process{812, "nginx", 0}.to_string()), "nginx (pid 812, user root)");
    EXPECT_EQ(user_name(4000000), "4000000");
    EXPECT_FALSE(find_process(4194304));
}

TEST(ParseSocketLink, TakesOnlyTheKernelsForm) {
    EXPECT_EQ(parse_socket_link("socket:[12345]"), 12345U);
    for (const char* bad : {"", "socket:[", "socket:[]", "socket:[1", "pipe:[1]", "socket:[1x]",
                            "socket:[4294967296]", "/dev/null"})
        EXPECT_EQ(parse_socket_link(bad), std::nullopt) << bad;
}

TEST(ParseProcessStatus, TakesTheRealUid) {
    auto process = parse_process_status("Name:\tweb server\nUmask:\t0022\nPid:\t42\n"
                                        "PPid:\t7\nUid:\t33\t0\t33\t33\n");
    ASSERT_TRUE(process);
    EXPECT_EQ(process->pid, 42);
    EXPECT_EQ(process->comm, "web server");
    EXPECT_EQ(process->uid, 33U);
    EXPECT_EQ(process->parent, 7);
    for (const char* bad : {"", "Name:\tx\n", "Name:\tx\nPid:\tx\nUid:\t1\t1\n",
                            "Name:\tx\nPid:\t1\nUid:\t\n", "Name:\tx\nPid: 1\nUid:\t1\n"})
        EXPECT_FALSE(parse_process_status(bad)) << bad;
}

} // namespace
} // namespace bpfport
