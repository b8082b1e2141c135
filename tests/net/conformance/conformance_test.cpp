// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport held against what it replaces: the same conversations, frame by frame, through nft's
// redirect and through each engine, on stages that are alike. What came over the wire and what the
// program saw must be the same, byte for byte, except where the corpus says what differs and why.
//
//   BPFPORT_CONVERSATION=TEXT   only those whose name has it, printed
#include <cstdlib>

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "harness/amount.hpp"
#include "net/conformance/corpus.hpp"
#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

std::vector<Conversation> corpus() {
    std::vector<Conversation> all;
    const char* only = std::getenv("BPFPORT_CONVERSATION");
    for (auto part :
         {tcp_conversations(), segment_conversations(), udp_conversations(), host_conversations()})
        for (Conversation& conversation : part)
            if (only == nullptr || std::string(conversation.name).find(only) != std::string::npos)
                all.push_back(std::move(conversation));
    return all;
}

bool of_family(const Conversation& conversation, bool ipv6) {
    return conversation.families == Families::kBoth ||
           (conversation.families == Families::kIpv6) == ipv6;
}

// Every conversation for both families, in the same order for each way.
std::vector<Transcript> play_all(const std::vector<Conversation>& conversations, const Way& way) {
    Stage stage(way);
    std::vector<Transcript> transcripts;
    for (const Conversation& conversation : conversations)
        for (const bool ipv6 : {false, true}) {
            if (!of_family(conversation, ipv6)) continue;
            stage.begin(ipv6);
            conversation.play(stage);
            transcripts.push_back(stage.end());
            if (std::getenv("BPFPORT_CONVERSATION") != nullptr)
                for (const Line& line : transcripts.back())
                    fmt::print("{}, IPv{}: {}\n", way.name, ipv6 ? 6 : 4, line.text);
        }
    return transcripts;
}

// Leaves out an acknowledgement without data that both have, elsewhere in the order: in a slow guest
// the kernel may send it when the program has read, or a moment later.
std::vector<std::string> without_moved(std::vector<std::string> lines) {
    for (auto line = lines.begin(); line != lines.end();) {
        const std::string other = (line->front() == '-' ? "+" : "-") + line->substr(1);
        const auto same = std::find(line + 1, lines.end(), other);
        if (line->find(" [.] 0 bytes,") == std::string::npos || same == lines.end()) {
            ++line;
            continue;
        }
        lines.erase(same); // behind `line`, which stays valid
        line = lines.erase(line);
    }
    return lines;
}

// What has to be taken out of and put into `a` to make it `b`: "- text", "+ text", in order; the
// longest common subsequence stays.
std::vector<std::string> differences(const Transcript& a, const Transcript& b) {
    std::vector<std::vector<std::size_t>> common(a.size() + 1,
                                                 std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = a.size(); i-- > 0;)
        for (std::size_t k = b.size(); k-- > 0;)
            common[i][k] = a[i] == b[k] ? common[i + 1][k + 1] + 1
                                        : std::max(common[i + 1][k], common[i][k + 1]);
    std::vector<std::string> out;
    std::size_t i = 0;
    std::size_t k = 0;
    while (i < a.size() || k < b.size()) {
        if (i < a.size() && k < b.size() && a[i] == b[k]) {
            ++i, ++k;
        } else if (k == b.size() || (i < a.size() && common[i + 1][k] >= common[i][k + 1])) {
            out.push_back("- " + a[i++].text);
        } else {
            out.push_back("+ " + b[k++].text);
        }
    }
    return is_emulated() ? without_moved(std::move(out)) : out;
}

class Conformance : public NetTest, public testing::WithParamInterface<Way> {
  protected:
    void SetUp() override {
        NetTest::SetUp();
        if (IsSkipped()) return;
        REQUIRE_PROGRAM("nft");
        REQUIRE_HOOK(GetParam().name);
        REQUIRE_ENGINE(GetParam().name);
    }

    // The lines that the corpus says will differ.
    static std::vector<std::string> intended(const Conversation& conversation) {
        for (const Difference& difference : conversation.differences)
            if (std::string_view(difference.ways).find(engine()) != std::string_view::npos)
                return difference.lines;
        return {};
    }
    static std::string_view engine() {
        const std::string_view name = GetParam().name;
        return name == "tcx" || name == "clsact" ? "tc" : name;
    }
};

INSTANTIATE_TEST_SUITE_P(, Conformance,
                         testing::Values(Way{"tcx", "attach eth0 --engine tc --hook tcx"},
                                         Way{"clsact", "attach eth0 --engine tc --hook clsact"},
                                         Way{"xdp", "attach eth0 --engine xdp"},
                                         Way{"sklookup", "attach eth0 --engine sklookup"}),
                         way_name);

TEST_P(Conformance, WithRedirect) {
    const auto conversations = corpus();
    std::vector<Transcript> redirect;
    try {
        redirect = play_all(conversations, {"redirect", ""});
    } catch (const NoRedirect& error) {
        GTEST_SKIP() << error.what();
    }
    const auto ours = play_all(conversations, GetParam());
    std::size_t n = 0;
    std::size_t same = 0;
    for (const Conversation& conversation : conversations)
        for (const bool ipv6 : {false, true}) {
            if (!of_family(conversation, ipv6)) continue;
            SCOPED_TRACE(fmt::format("{}, IPv{}", conversation.name, ipv6 ? 6 : 4));
            const auto found = differences(redirect[n], ours[n]);
            std::vector<testing::Matcher<std::string>> expected;
            for (const std::string& line : intended(conversation))
                expected.push_back(testing::StartsWith(line));
            EXPECT_THAT(found, testing::UnorderedElementsAreArray(expected));
            same += found.empty() ? 1 : 0;
            ++n;
        }
    fmt::print("{} conversations like nft's redirect, {} as intended otherwise\n", same, n - same);
}

} // namespace
} // namespace bpfport::test
