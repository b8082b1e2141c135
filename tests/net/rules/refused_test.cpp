// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A bpfport whose tc programs the kernel refuses (tests/refused): attach and doctor say which
// program of which object, why, what compiled it and what to do.
#include "harness/sweep.hpp"
#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

class Refused : public NetTest {
  protected:
    static ProcessResult refused(const Netns& netns, std::vector<std::string> words) {
        words.insert(words.begin(),
                     {BPFPORT_REFUSED, "--state", state_root(), "--netns", netns.name()});
        return run(words);
    }
};

TEST_F(Refused, AttachSaysWhichProgramAndWhy) {
    const ClientServer net;
    const auto result = refused(net.server, {"attach", "--engine", "tc", "eth0", "80:3000"});
    EXPECT_EQ(result.status, 1);
    EXPECT_THAT(result.err, HasSubstr("object refused: program bp_tc_in: the kernel's verifier "
                                      "refuses it: "));
    EXPECT_THAT(result.err, HasSubstr("\n    ")) << "the verifier's lines are indented";
    EXPECT_THAT(result.err, HasSubstr("data[100]"));
    EXPECT_THAT(result.err, testing::ContainsRegex("hint: compiled by .*[Cc]lang [0-9.]+.*, "
                                                   "loaded on Linux [0-9]+\\.[0-9]+"));
    EXPECT_THAT(result.err, testing::Not(HasSubstr("ermission denied")));
    EXPECT_TRUE(rules(net.server).empty());
}

TEST_F(Refused, DoctorSaysTheSame) {
    const ClientServer net;
    const auto result = refused(net.server, {"doctor", "--json"});
    EXPECT_EQ(result.status, 1);
    const auto findings = nlohmann::json::parse(result.out, nullptr, false);
    ASSERT_TRUE(findings.is_array()) << result.out << result.err;
    int told = 0;
    for (const auto& one : findings) {
        const auto text = one["text"].get<std::string>();
        if (text.find("object refused: program bp_tc_in: the kernel's verifier") == text.npos)
            continue;
        told++;
        EXPECT_EQ(one["severity"], "broken");
        EXPECT_THAT(text, HasSubstr("data[100]"));
        EXPECT_THAT(one["remedy"].get<std::string>(), HasSubstr("compiled by "));
    }
    EXPECT_GE(told, 1);
    // The other objects are as they ship.
    EXPECT_THAT(result.out, HasSubstr("guard"));
}

} // namespace
} // namespace bpfport::test
