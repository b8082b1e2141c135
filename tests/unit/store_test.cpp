// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The store: whole directories or none, one command at a time, and what a killed one left. In a
// common directory: the store asks nothing of bpffs that others don't have.
#include "state/store.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/amount.hpp"

namespace bpfport {
namespace {

namespace fs = std::filesystem;
using Access = Store::Access;

class StoreTest : public testing::Test {
  protected:
    StoreTest() {
        char name[] = "/tmp/bpt-store-XXXXXX";
        directory_ = ::mkdtemp(name);
        root_ = directory_ / "root";
    }
    ~StoreTest() override { fs::remove_all(directory_); }

    Store open(Access access = Access::kChange) {
        auto store = Store::open(root_, access);
        EXPECT_TRUE(store) << store.error().message;
        return std::move(*store);
    }
    void publish(Store& store, const std::string& name) {
        auto staging = store.stage();
        ASSERT_TRUE(staging);
        std::ofstream(staging->path() / "pin") << name;
        ASSERT_TRUE(staging->publish(name));
    }
    std::vector<std::string> listing() const {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(root_))
            names.push_back(entry.path().filename());
        return names;
    }

    fs::path directory_;
    fs::path root_;
};

TEST_F(StoreTest, ReadingMakesNothing) {
    const Store store = open(Access::kRead);
    EXPECT_THAT(store.entries(), testing::IsEmpty());
    EXPECT_FALSE(store.has("netns-1"));
    EXPECT_FALSE(fs::exists(root_));
}

TEST_F(StoreTest, ChangingMakesAPrivateDirectory) {
    static_cast<void>(open());
    EXPECT_EQ(fs::status(root_).permissions(), fs::perms::owner_all);
}

TEST_F(StoreTest, PublishedDirectoriesAreWhole) {
    Store store = open();
    auto staging = store.stage();
    ASSERT_TRUE(staging);
    std::ofstream(staging->path() / "pin") << "x";
    EXPECT_THAT(store.entries(), testing::IsEmpty()) << "not yet";
    ASSERT_TRUE(staging->publish("netns-1"));
    EXPECT_THAT(store.entries(), testing::ElementsAre("netns-1"));
    EXPECT_TRUE(fs::exists(store.path("netns-1") / "pin"));
}

TEST_F(StoreTest, WhatIsNotPublishedGoes) {
    Store store = open();
    {
        auto staging = store.stage();
        ASSERT_TRUE(staging);
        std::ofstream(staging->path() / "pin") << "x";
    }
    EXPECT_THAT(listing(), testing::IsEmpty());
}

TEST_F(StoreTest, APublishedNameIsNotOverwritten) {
    Store store = open();
    publish(store, "netns-1");
    auto staging = store.stage();
    ASSERT_TRUE(staging);
    const auto refused = staging->publish("netns-1");
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, testing::HasSubstr("netns-1"));
}

TEST_F(StoreTest, RemovingTwiceIsSuccess) {
    Store store = open();
    publish(store, "netns-1");
    EXPECT_TRUE(store.remove("netns-1"));
    EXPECT_TRUE(store.remove("netns-1"));
    EXPECT_THAT(listing(), testing::IsEmpty());
}

TEST_F(StoreTest, WhatAKilledCommandLeftIsSwept) {
    fs::create_directories(root_ / "staging-1-0");
    std::ofstream(root_ / "staging-1-0" / "pin") << "x";
    {
        const Store reader = open(Access::kRead);
        EXPECT_THAT(reader.entries(), testing::IsEmpty()) << "readers see no half-built directory";
        EXPECT_EQ(listing().size(), 1) << "nor remove it: its maker may live";
    }
    static_cast<void>(open());
    EXPECT_THAT(listing(), testing::IsEmpty());
}

// A child holds the store open for change for a while; the next command waits for it.
TEST_F(StoreTest, OneCommandAtATime) {
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        auto store = Store::open(root_, Access::kChange);
        static_cast<void>(::write(ready[1], "x", 1));
        ::usleep(300'000);
        if (store) static_cast<void>(::mkdir((root_ / "done").c_str(), 0700));
        ::_exit(store ? 0 : 1);
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    const Store second = open(Access::kRead);
    const auto done = second.undisturbed([&]() -> Result<bool> { return second.has("done"); });
    ASSERT_TRUE(done);
    EXPECT_TRUE(*done) << "the first had not finished";
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST_F(StoreTest, ReadersShareAndLeaveTheStoreToOthers) {
    static_cast<void>(open());
    const Store first = open(Access::kRead);
    const Store second = open(Access::kRead);
    const auto outer = first.undisturbed(
        [&]() -> Result<int> { return second.undisturbed([&]() -> Result<int> { return 1; }); });
    ASSERT_TRUE(outer);
    static_cast<void>(open()); // would wait for a reader that had it locked
}

TEST_F(StoreTest, WhoWasDisturbedLooksAgain) {
    static_cast<void>(open());
    const Store reader = open(Access::kRead);
    int looks = 0;
    const auto seen = reader.undisturbed([&]() -> Result<std::size_t> {
        if (looks++ == 0) {
            Store writer = open();
            publish(writer, "netns-1");
        }
        return reader.entries().size();
    });
    ASSERT_TRUE(seen);
    EXPECT_EQ(*seen, 1);
    EXPECT_EQ(looks, 2);
}

TEST_F(StoreTest, WhoIsDisturbedAgainAndAgainLooksWithTheLock) {
    static_cast<void>(open());
    const Store reader = open(Access::kRead);
    int looks = 0;
    const auto seen = reader.undisturbed([&]() -> Result<int> {
        if (++looks <= 3) {
            static_cast<void>(open());
            return 0;
        }
        const Fd other(::open(root_.c_str(), O_RDONLY | O_DIRECTORY));
        return ::flock(other.get(), LOCK_SH | LOCK_NB) == 0 ? 1 : 2;
    });
    ASSERT_TRUE(seen);
    EXPECT_EQ(*seen, 2) << "a command could have begun";
    EXPECT_EQ(looks, 4);
    static_cast<void>(open()); // it was let go
}

// A command after the other, without a pause, as a script gives them.
TEST_F(StoreTest, D14_CommandsQueue) {
    static_cast<void>(open());
    std::atomic<bool> done = false;
    std::thread busy([&] {
        while (!done) {
            const Store store = open();
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 20; i++) static_cast<void>(open());
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    done = true;
    busy.join();
    EXPECT_LT(took, test::in_time(std::chrono::seconds(2))) << "a turn is 5 ms";
}

TEST(StoreNames, AreReadAsTheyAreWritten) {
    std::uint64_t netns = 0;
    EXPECT_TRUE(parse_instance_name(instance_name(4026531840), netns));
    EXPECT_EQ(netns, 4026531840);
    TcName tc;
    EXPECT_TRUE(parse_tc_name(tc_name(4026531840, 17), tc));
    EXPECT_EQ(tc.netns, 4026531840);
    EXPECT_EQ(tc.ifindex, 17);
    for (const char* other :
         {"", "netns-", "netns-1x", "netns--1", "tc-1-2", "netns-1-2", "netns-01"})
        EXPECT_FALSE(parse_instance_name(other, netns)) << other;
    for (const char* other : {"", "tc-", "tc-1", "tc-1-", "tc--2", "tc-1-2x", "netns-1", "tc-1-2-3",
                              "tc-01-2", "tc-1-02"})
        EXPECT_FALSE(parse_tc_name(other, tc)) << other;
}

// One number has one name, of every kind: another one would be a second directory of the same thing.
TEST(DirectoryNames, AreReadAsTheyAreWritten) {
    std::uint64_t id = 0;
    TcName tc;
    EXPECT_TRUE(parse_cgroup_attachment_name(cgroup_attachment_name(12), id));
    EXPECT_EQ(id, 12U);
    EXPECT_TRUE(parse_sklookup_name(sklookup_name(0), id));
    EXPECT_TRUE(parse_instance_name(instance_name(4026531840), id));
    EXPECT_EQ(id, 4026531840U);
    ASSERT_TRUE(parse_tc_name(tc_name(7, 1), tc));
    EXPECT_EQ(tc.netns, 7U);
    EXPECT_EQ(tc.ifindex, 1U);
    for (const char* wrong :
         {"012", "+1", "-1", " 1", "1 ", "0x1", "", "1a", "99999999999999999999"}) {
        const std::string number = wrong;
        EXPECT_FALSE(parse_cgroup_attachment_name("cgroup-" + number, id)) << wrong;
        EXPECT_FALSE(parse_sklookup_name("sklookup-" + number, id)) << wrong;
        EXPECT_FALSE(parse_instance_name("netns-" + number, id)) << wrong;
        EXPECT_FALSE(parse_tc_name("tc-" + number + "-1", tc)) << wrong;
        EXPECT_FALSE(parse_tc_name("tc-1-" + number, tc)) << wrong;
    }
    EXPECT_FALSE(parse_tc_name("tc-1", tc));
    EXPECT_FALSE(parse_instance_name("netns", id));
}

} // namespace
} // namespace bpfport
