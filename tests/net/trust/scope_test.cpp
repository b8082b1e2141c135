// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// user:NAME: all that a user runs may bind what is granted to the user, rootless port forwarders included,
// and no other user's programs may.
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "net/trust/trust.hpp"

namespace bpfport::test {
namespace {

// Of this process alone: a user's slices are looked for in the whole tree, where other tests run beside.
const uid_t kUser = 1'000'000 + 2 * static_cast<uid_t>(getpid());
const uid_t kOther = kUser + 1;

class TrustScope : public Trust {
  protected:
    void SetUp() override {
        Trust::SetUp();
        if (IsSkipped()) return;
        REQUIRE_GRANTS();
        // As systemd makes them: slices of root's, and below the user's slice what is the user's.
        const auto mount = cgroup->path().substr(0, cgroup->path().rfind('/'));
        slice_.emplace(fmt::format("{}/bpt{}.slice", mount, getpid()));
        user_.emplace(fmt::format("{}/user-{}.slice", slice_->path, kUser));
        service_.emplace(fmt::format("{}/user@{}.service", user_->path, kUser));
        ASSERT_EQ(::chown(service_->path.c_str(), kUser, kUser), 0);
    }
    void TearDown() override {
        Trust::TearDown();
        service_.reset();
        user_.reset();
        slice_.reset();
    }
    // `sh -c` in that cgroup, as the user, without a capability.
    ProcessResult in(const std::string& directory, const std::string& script) const {
        const auto words = fmt::format("echo $$ > {}/cgroup.procs && exec setpriv --reuid {} "
                                       "--regid {} --clear-groups sh -c '{}'",
                                       directory, kUser, kUser, script);
        return test::run({"sh", "-c", words}, {.netns = netns.get()});
    }
    std::optional<Below> slice_, user_, service_;
};

TEST_F(TrustScope, UserIsAllThatTheUserRuns) {
    REQUIRE_PROGRAM("socat");
    REQUIRE_PROGRAM("setpriv");
    const std::string forward = "timeout 1 socat -u TCP-LISTEN:{0} /dev/null & sleep 0.4; "
                                "socat -u /dev/null TCP:127.0.0.1:{0} && echo reached";
    const auto reached = [&](const std::string& directory, int port) {
        return in(directory, fmt::format(fmt::runtime(forward), port)).out == "reached\n";
    };
    EXPECT_FALSE(reached(service_->path, 80));
    const auto granted = bp({"grant", "user:" + std::to_string(kUser), "80"});
    ASSERT_EQ(granted.status, 0) << granted.err;
    EXPECT_THAT(
        granted.out,
        HasSubstr(fmt::format("user:{0} is cgroup /bpt{1}.slice/user-{0}.slice", kUser, getpid())));
    EXPECT_TRUE(reached(service_->path, 80)) << "in the user's own tree";
    EXPECT_FALSE(reached(service_->path, 81));
    EXPECT_FALSE(reached(cgroup->path(), 80)) << "the same user, elsewhere";
    must({"revoke", "user:" + std::to_string(kUser)});
    EXPECT_FALSE(reached(service_->path, 80));
}

TEST_F(TrustScope, AUserWithoutCgroupIsExplained) {
    const auto nothing = bp({"grant", fmt::format("user:{}", kOther), "80"});
    EXPECT_EQ(nothing.status, 1);
    EXPECT_THAT(nothing.err, HasSubstr(fmt::format("user-{}.slice", kOther)));
    EXPECT_THAT(nothing.err, HasSubstr("enable-linger"));
    EXPECT_EQ(bp({"grant", "user:no-such-user", "80"}).status, 2);
}

// A slice of that name which another than root made is none.
TEST_F(TrustScope, A1_ASliceOfTheUsersOwnIsNone) {
    const Below own(fmt::format("{}/user-{}.slice", service_->path, kOther));
    EXPECT_EQ(bp({"grant", fmt::format("user:{}", kOther), "80"}).status, 1);
}

TEST_F(TrustScope, E_AUserWithoutEntryIsInNoGroup) {
    const auto result = bp({"run", "--user", "27", "--grant", "80", "--", "id", "-G"},
                           {.cgroup = cgroup.get(), .directory = "/"});
    if (test::run({"getent", "passwd", "27"}).status == 0) GTEST_SKIP() << "user 27 has an entry";
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.out, "65534\n") << "group 27 is sudo's";
}

} // namespace
} // namespace bpfport::test
