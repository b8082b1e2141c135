// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Names, files and directories that other users make: what is taken from them and what not. Each test
// has the letter and number of docs/security.md.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/cli.hpp"
#include "cli/container_state.hpp"
#include "harness/environment.hpp"
#include "kernel/cgroup_lookup.hpp"
#include "kernel/container_note.hpp"
#include "kernel/process.hpp"
#include "kernel/system_file.hpp"
#include "state/store.hpp"
#include "trace/event_text.hpp"

namespace bpfport::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr uid_t kOther = 65534;
constexpr auto kEvil = "\xff"
                       "A\x1b[31m\nx";

// A directory tree that stands for / or for the cgroup mount.
class Trust : public testing::Test {
  protected:
    Trust() : root_("/tmp/bpfport-trust-" + std::to_string(::getpid())) {
        fs::create_directories(root_);
        fs::permissions(root_, fs::perms(0755));
    }
    ~Trust() override {
        std::error_code ignored;
        fs::remove_all(root_, ignored);
    }
    void make(const std::string& folder) const { fs::create_directories(root_ / folder); }
    void write(const std::string& file, const std::string& text) const {
        fs::create_directories((root_ / file).parent_path());
        std::ofstream(root_ / file) << text;
    }
    void give(const std::string& path) const {
        ASSERT_EQ(::chown((root_ / path).c_str(), kOther, kOther), 0);
    }
    fs::path root_;
};

TEST_F(Trust, A2_NamesAreMadePrintable) {
    EXPECT_EQ(printable("nginx: worker \\ \xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x8c"),
              "nginx: worker \\ \xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x8c");
    EXPECT_EQ(printable(kEvil), "\\xffA\\x1b[31m\\x0ax");
    EXPECT_EQ(printable(std::string_view("\0\t\x7f", 3)), "\\x00\\x09\\x7f");
    EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");          // CSI of eight bits
    EXPECT_EQ(printable("\xe2\x80\xae"), "\\xe2\\x80\\xae"); // right to left from here
    for (const char* invalid : {"\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"})
        EXPECT_EQ(printable(invalid).find_first_of("\xc3\xc0\xed\xf4\xe2"), std::string::npos);
}

TEST_F(Trust, A2_JsonIsWrittenWhateverItsStringsAre) {
    const nlohmann::ordered_json json{{"name", kEvil}};
    std::string text;
    ASSERT_NO_THROW(text = json_text(json));
    EXPECT_FALSE(nlohmann::json::parse(text, nullptr, false).is_discarded()) << text;
}

TEST_F(Trust, A2_ProcessesAndEvents) {
    const auto process = parse_process_status(
        std::string("Name:\t\xff\x1b[31m\nPid:\t7\nPPid:\t1\nUid:\t1\t1\t1\t1\n"));
    ASSERT_TRUE(process);
    EXPECT_EQ(process->comm, "\\xff\\x1b[31m");
    bp_event event{};
    event.kind = BP_EVENT_BIND;
    event.pid = 7;
    std::strncpy(event.comm, kEvil, sizeof(event.comm) - 1);
    const auto line = event_line(event, {});
    EXPECT_EQ(line.find_first_of("\n\x1b\xff"), std::string::npos) << line;
    std::string json;
    ASSERT_NO_THROW(json = event_json(event, {}));
    EXPECT_FALSE(nlohmann::json::parse(json, nullptr, false).is_discarded()) << json;
}

TEST_F(Trust, A2_WordsOfTheCommandLine) {
    const char* words[] = {"bpfport", kEvil};
    std::istringstream in;
    std::ostringstream out, err;
    EXPECT_EQ(run_command_line(2, words, in, out, err), 2);
    const std::string text = out.str() + err.str();
    EXPECT_THAT(text, HasSubstr("\\xffA\\x1b[31m"));
    EXPECT_EQ(text.find_first_of("\xff\x1b"), std::string::npos);
}

TEST_F(Trust, A2_WhatNobodyCaughtIsAFaultOfOurs) {
    std::ostringstream err;
    EXPECT_EQ(report_fault(err, "bad_alloc"), 1);
    EXPECT_THAT(err.str(), HasSubstr("fault of bpfport itself"));
}

// Those that report by an error_code, or by no call at all: base/directory.hpp.
TEST_F(Trust, A2_NoCallOfTheFileSystemThrows) {
    const std::regex iterator("directory_iterator");
    const std::regex throwing(
        R"((fs|filesystem)::(exists|is_directory|is_regular_file|file_size|status|symlink_status|)"
        R"(remove|remove_all|read_symlink|canonical|create_directory|create_directories|absolute)\(([^,()]|\([^()]*\))*\))");
    unsigned files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(BPFPORT_SOURCE "/user")) {
        if (entry.path().extension() != ".cpp") continue;
        files++;
        std::ifstream file(entry.path());
        for (std::string line; std::getline(file, line);) {
            const bool may_iterate = entry.path().filename() == "directory.cpp";
            EXPECT_TRUE(may_iterate || !std::regex_search(line, iterator))
                << entry.path() << ": " << line;
            EXPECT_FALSE(std::regex_search(line, throwing)) << entry.path() << ": " << line;
        }
    }
    EXPECT_GT(files, 50U);
}

TEST_F(Trust, A1_UnitsAreTheSystems) {
    REQUIRE_ROOT();
    make("system.slice/web.service/inner.service");
    make("user.slice/user-1000.slice/user@1000.service/app.slice/mine.service");
    make("system.slice/docker-x.scope/system.slice/mine.service");
    make("theirs.slice/mine.service");
    make("half.slice/mine.service");
    write("half.slice/mine.service/cgroup.procs", "");
    EXPECT_THAT(unit_cgroups(root_, "web.service"), ElementsAre("/system.slice/web.service"));
    EXPECT_THAT(unit_cgroups(root_, "inner.service"), IsEmpty()) << "a service's own processes";
    give("theirs.slice");
    give("half.slice/mine.service/cgroup.procs");
    EXPECT_THAT(unit_cgroups(root_, "mine.service"), IsEmpty());
    give("system.slice");
    EXPECT_THAT(unit_cgroups(root_, "web.service"), IsEmpty());
}

TEST_F(Trust, A1_ContainersAreRootsAndOfAWholeId) {
    REQUIRE_ROOT();
    const std::string id(64, 'a'), other(64, 'b');
    make("docker/" + id + "/" + other);
    make("machine.slice/x.scope/" + other);
    make("theirs/docker-" + other + ".scope");
    give("theirs");
    EXPECT_THAT(container_cgroups(root_, id), ElementsAre("/docker/" + id));
    EXPECT_THAT(container_cgroups(root_, std::string(12, 'a')), IsEmpty());
    EXPECT_THAT(container_cgroups(root_, other), IsEmpty());
    EXPECT_TRUE(is_systems(root_, "/docker/" + id));
    EXPECT_FALSE(is_systems(root_, "/theirs/docker-" + other + ".scope"));
    EXPECT_FALSE(is_systems(root_, "/docker/../theirs"));
}

TEST_F(Trust, A1_NotesOfRuntimesAreRoots) {
    REQUIRE_ROOT();
    constexpr auto kNote = R"({"pid": 1, "cgroup-path": "/"})";
    write("run/user/1000/crun/mine/status", kNote);
    EXPECT_FALSE(container_note(root_, "mine")) << "a user's";
    write("run/crun/web/status", kNote);
    EXPECT_TRUE(container_note(root_, "web"));
    give("run/crun/web/status");
    EXPECT_FALSE(container_note(root_, "web"));
    write("run/crun/open/status", kNote);
    fs::permissions(root_ / "run/crun/open/status", fs::perms(0666));
    EXPECT_FALSE(container_note(root_, "open"));
    write("run/crun/dir/status", kNote);
    give("run/crun/dir");
    EXPECT_FALSE(container_note(root_, "dir"));
    make("run/crun/link");
    write("run/elsewhere", kNote);
    fs::create_symlink(root_ / "run/elsewhere", root_ / "run/crun/link/status");
    EXPECT_FALSE(container_note(root_, "link"));
    make("run/crun/fifo");
    ASSERT_EQ(::mkfifo((root_ / "run/crun/fifo/status").c_str(), 0600), 0);
    EXPECT_FALSE(container_note(root_, "fifo")); // and does not wait for a writer
    write("run/big", std::string(5000, ' '));
    EXPECT_TRUE(read_system_file(root_, "run/big", 5000));
    EXPECT_FALSE(read_system_file(root_, "run/big", 4999));
}

TEST_F(Trust, A1_AShortIdIsThatOfOneContainer) {
    const std::string one(64, 'a'), two = std::string(32, 'a') + std::string(32, 'b');
    write("var/lib/docker/containers/" + one + "/config.v2.json", R"({"State": {"Pid": 18}})");
    EXPECT_EQ(container_note(root_, "aaaaaaaaaaaa")->pid, 18);
    write("var/lib/docker/containers/" + two + "/config.v2.json", R"({"State": {"Pid": 19}})");
    EXPECT_FALSE(container_note(root_, "aaaaaaaaaaaa"));
    EXPECT_EQ(container_note(root_, two)->pid, 19);
}

TEST_F(Trust, A1_IdsOfContainersAreShort) {
    const auto state = [](const std::string& id) {
        return parse_container_state(R"({"status": "created", "pid": 1, "id": ")" + id + "\"}");
    };
    EXPECT_TRUE(state(std::string(240, 'a')));
    EXPECT_FALSE(state(std::string(241, 'a')));
    EXPECT_FALSE(state("a\\u001bb"));
}

TEST_F(Trust, A3_AStoreIsRoots) {
    REQUIRE_ROOT();
    make("bpf/bpfport");
    const auto refuses = [&] {
        for (auto access : {Store::Access::kRead, Store::Access::kChange})
            if (Store::open(root_ / "bpf/bpfport", access)) return false;
        return true;
    };
    fs::permissions(root_ / "bpf/bpfport", fs::perms(0700));
    EXPECT_FALSE(refuses());
    fs::permissions(root_ / "bpf", fs::perms(01777));
    EXPECT_FALSE(refuses()) << "the default mode of a bpffs";
    fs::permissions(root_ / "bpf/bpfport", fs::perms(0770));
    EXPECT_TRUE(refuses());
    fs::permissions(root_ / "bpf/bpfport", fs::perms(0700));
    fs::permissions(root_ / "bpf", fs::perms(0777));
    EXPECT_TRUE(refuses()) << "it may be renamed";
    fs::permissions(root_ / "bpf", fs::perms(01777));
    give("bpf/bpfport");
    EXPECT_TRUE(refuses());
    fs::remove(root_ / "bpf/bpfport");
    make("elsewhere");
    fs::create_directory_symlink(root_ / "elsewhere", root_ / "bpf/bpfport");
    EXPECT_TRUE(refuses());
}

} // namespace
} // namespace bpfport::test
