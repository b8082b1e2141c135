// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the tests of metrics share: a client and a server, values read out of the exposition text,
// and a second opinion on what went over the wire (nft counters in the client's namespace, which
// share nothing with our programs).
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/amount.hpp"
#include "harness/bpfport.hpp"
#include "harness/environment.hpp"
#include "harness/kernel_state.hpp"
#include "harness/servers.hpp"
#include "harness/topology.hpp"

namespace bpfport::test {

// The sum of the series whose name and labels hold all of these texts; nullopt: there is none.
std::optional<double> metric(const std::string& text, const std::string& name,
                             const std::vector<std::string>& labels = {});

struct Wire {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0; // IP packets, without link layer
};

class MetricsLab : public testing::Test {
  protected:
    void SetUp() override;
    void TearDown() override;

    void attach(const std::vector<std::string>& words);
    std::string metrics(std::vector<std::string> options = {});
    // A ruleset for the client's namespace, and what its named counter has counted.
    void client_nft(const std::string& ruleset) const;
    Wire counted(const std::string& counter) const;

    std::optional<ClientServer> net_;
};

// GET by HTTP/1.0 in the namespace; the body. Empty when there is no answer.
std::string http_get(const Netns& netns, const Endpoint& at, const std::string& path);

} // namespace bpfport::test
