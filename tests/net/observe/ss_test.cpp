// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport ss: listeners and redirected ports in one list, and what hides what.
#include <algorithm>

#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

class Ss : public NetTest {};

nlohmann::json list(const Netns& netns, std::vector<std::string> words = {}) {
    words.insert(words.begin(), {"ss", "--json"});
    return nlohmann::json::parse(bpfport(netns, words).out);
}

// The entry of that kind and port.
nlohmann::json entry(const nlohmann::json& list, const char* kind, unsigned port) {
    for (const auto& one : list)
        if (one["kind"] == kind && one["first_port"] == port) return one;
    return {};
}

bool notes(const nlohmann::json& entry, const std::string& text) {
    return std::ranges::any_of(entry["notes"], [&](const nlohmann::json& note) {
        return note.get<std::string>().find(text) != std::string::npos;
    });
}

TEST_F(Ss, RedirectsListenersAndWhatHidesWhat) {
    const ClientServer net;
    const TcpServer service(net.server, {"::", 3000});
    const TcpServer hidden(net.server, {"0.0.0.0", 80});
    const TcpServer other(net.server, {"0.0.0.0", 22});
    ASSERT_TRUE(works(net.server, "attach --force eth0 80:3000"));
    ASSERT_TRUE(works(net.server, "attach eth0 81:4000 82:3000"));
    ASSERT_EQ(ask(net.client, {"10.1.0.2", 80}, Transport::kTcp), "hello");
    auto all = list(net.server);

    auto redirect = entry(all, "redirect", 80);
    EXPECT_EQ(redirect["rule"], "80:3000");
    EXPECT_EQ(redirect["engine"], "tc");
    EXPECT_EQ(redirect["scope"], "eth0");
    EXPECT_EQ(redirect["connections"], 1);
    EXPECT_TRUE(notes(redirect, "hides net_tests")) << redirect;
    EXPECT_TRUE(notes(redirect, "same target as 82:3000 on eth0")) << redirect;
    EXPECT_TRUE(notes(entry(all, "redirect", 81), "no program listens on tcp 4000"));
    auto robbed = entry(all, "listener", 80);
    EXPECT_TRUE(notes(robbed, "hidden by 80:3000 on eth0: new clients go to 3000")) << robbed;
    EXPECT_TRUE(notes(entry(all, "listener", 3000), "target of 80:3000 on eth0"));
    EXPECT_EQ(entry(all, "listener", 3000)["address"], "*");
    EXPECT_EQ(entry(all, "listener", 22)["address"], "0.0.0.0");
    EXPECT_TRUE(entry(all, "listener", 22)["notes"].empty());
    EXPECT_TRUE(entry(list(net.server, {"--redirected"}), "listener", 22).is_null());

    auto table = bpfport(net.server, {"ss"});
    EXPECT_THAT(table.out, HasSubstr("-> 3000 net_tests"));
    EXPECT_TRUE(list(net.client).empty());
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

} // namespace
} // namespace bpfport::test
