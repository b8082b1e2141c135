// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "net/nginx.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <fmt/format.h>

#include "harness/sweep.hpp"

namespace bpfport::test {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kUser = 65534; // nobody

constexpr auto kConfiguration = R"(
daemon off; worker_processes 2; pid {0}/pid; error_log stderr;
events {{ worker_connections 512; }}
http {{ access_log off; keepalive_requests 100000;
  client_body_temp_path {0}/1; proxy_temp_path {0}/2; fastcgi_temp_path {0}/3;
  uwsgi_temp_path {0}/4; scgi_temp_path {0}/5;
  server {{ listen [::]:3000 ipv6only=off backlog=4096; root {0}; }} }}
)";

} // namespace

Nginx::Nginx(const Netns& netns) : directory_(fs::temp_directory_path() / unique_name()) {
    fs::create_directory(directory_);
    std::ofstream(directory_ + "/small") << "hello\n";
    std::ofstream(directory_ + "/large") << std::string(10 << 20, 'x');
    std::ofstream(directory_ + "/conf") << fmt::format(kConfiguration, directory_);
    if (::chown(directory_.c_str(), kUser, kUser) != 0) throw std::runtime_error("chown");
    process_.emplace(std::vector<std::string>{"nginx", "-e", "stderr", "-c", directory_ + "/conf"},
                     ProcessOptions{.netns = &netns, .uid = kUser});
    if (!wait_for_port(netns, 3000)) throw std::runtime_error("nginx: " + process_->stop().err);
}

Nginx::~Nginx() {
    process_.reset();
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
}

} // namespace bpfport::test
