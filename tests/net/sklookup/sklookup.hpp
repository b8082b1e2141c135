// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the tests of the sklookup engine share: a client and a server beside each other, the real
// bpfport, and the certainty that nothing is left in the end, however the test ended.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "harness/bpfport.hpp"
#include "harness/environment.hpp"
#include "harness/kernel_state.hpp"
#include "harness/servers.hpp"
#include "harness/topology.hpp"

namespace bpfport::test {

// How many sk_lookup programs the namespace runs; -1: the kernel can't say.
int lookup_programs(const Netns& netns);

class SklookupTest : public testing::Test {
  protected:
    void SetUp() override;
    void TearDown() override;

    // bpfport in the server's namespace; expected to succeed.
    std::string run_bpfport(std::vector<std::string> arguments);
    void attach(const std::string& engine, std::vector<std::string> words = {"any", "80:3000"});
    nlohmann::json status();
    nlohmann::json rule_status(); // of the first rule

    [[nodiscard]] const Netns& client() const { return net_->client; }
    [[nodiscard]] const Netns& server() const { return net_->server; }

    // An echo from the client to the server's port 80 (or another); the text of the error, if any.
    std::string try_echo(bool ipv6, std::uint16_t port = 80);
    std::string try_echo(const Netns& from, const Endpoint& to);

    // Open connections of the server that truly are on the port, which the kernel's own lists say.
    std::size_t connections_on(std::uint16_t port = 80);

    std::optional<ClientServer> net_;
};

} // namespace bpfport::test
