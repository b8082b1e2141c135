// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Metric families over a socket between two processes: the collector, which may read the kernel's
// state, and the server, which faces the network and may do nothing. All that the server can say is
// "ready", "collect" and why it could not start; whatever else it sends ends the collector.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace bpfport {

using Families = std::vector<prometheus::MetricFamily>;

class FamilyChannel {
  public:
    // Two connected ends.
    static Result<std::pair<FamilyChannel, FamilyChannel>> make();
    explicit FamilyChannel(Fd socket) : socket_(std::move(socket)) {}
    FamilyChannel(FamilyChannel&& other) noexcept : socket_(std::move(other.socket_)) {}

    // The server's side. ask() may be called by several threads.
    Result<void> ready(const std::string& words);
    Result<void> give_up(const Error& error);
    Result<Families> ask();
    void wait_for_end(); // until the other side is gone

    // The collector's side. Ready: the server's words, or its error.
    Result<std::string> wait_until_ready();
    Result<bool> wait_for_request(); // false: the other side is gone
    Result<void> answer(const Families& families);

  private:
    struct Message {
        char kind = 0;
        std::string body;
    };
    Result<void> send(const Message& message);
    Result<std::optional<Message>> receive(std::size_t limit); // nullopt: the other side is gone
    Fd socket_;
    std::mutex one_at_a_time_;
};

// The encoding (CBOR): counters and gauges only.
std::string encode(const Families& families);
Result<Families> decode(const std::string& bytes);

} // namespace bpfport
