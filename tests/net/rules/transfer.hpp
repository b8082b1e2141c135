// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Transfer: a connection that must not notice that rules change.
#pragma once

#include <atomic>
#include <thread>

#include "net/fixture.hpp"

namespace bpfport::test {

// Echoes over its connection until the end; says how it went.
class Transfer {
  public:
    Transfer(const Netns& netns, const Endpoint& server)
        : connection_(connected(netns, server)), thread_([this] {
              while (!end_ && ok_) {
                  ok_ = bool(alive(connection_, 20000));
                  ++rounds_;
                  std::this_thread::sleep_for(1ms); // other tests need the processor too
              }
          }) {}
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;
    ~Transfer() {
        if (thread_.joinable()) finish();
    }
    // How many rounds; 0 when one of them failed.
    unsigned finish() {
        end_ = true;
        thread_.join();
        connection_.reset();
        return ok_ ? rounds_.load() : 0;
    }

  private:
    std::atomic<bool> end_ = false;
    std::atomic<bool> ok_ = true;
    std::atomic<unsigned> rounds_ = 0;
    TcpClient connection_;
    std::thread thread_;
};

} // namespace bpfport::test
