// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "net/serve/serving.hpp"

#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "harness/amount.hpp"

namespace bpfport::test {

namespace fs = std::filesystem;

std::string Times::text() const {
    return fmt::format("{} times: median {} ms, most {} ms", all_.size(), median().count(),
                       all_.back().count());
}

NotifySocket::NotifySocket() : path_(testing::TempDir() + "notify-" + std::to_string(::getpid())) {
    ::unlink(path_.c_str());
    socket_ = Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    if (!socket_ ||
        ::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        throw std::runtime_error("can't listen on " + path_);
    thread_ = std::jthread([this] { receive(); });
}

NotifySocket::~NotifySocket() {
    ::shutdown(socket_.get(), SHUT_RD);
    thread_.join();
    ::unlink(path_.c_str());
}

void NotifySocket::receive() {
    char buffer[4096];
    for (ssize_t got = 0; (got = ::recv(socket_.get(), buffer, sizeof buffer, 0)) > 0;) {
        const std::lock_guard lock(mutex_);
        messages_.emplace_back(buffer, static_cast<std::size_t>(got));
    }
}

bool NotifySocket::has(const std::string& text, std::chrono::milliseconds patience) {
    return time_until(
               [&] {
                   const std::lock_guard lock(mutex_);
                   return std::ranges::any_of(messages_, [&](const std::string& message) {
                       return message.find(text) != std::string::npos;
                   });
               },
               patience)
        .has_value();
}

void NotifySocket::clear() {
    const std::lock_guard lock(mutex_);
    messages_.clear();
}

Served::Served(const Netns& netns, const std::string& policy,
               const std::vector<std::string>& before)
    : netns_(netns) {
    std::string name = testing::TempDir() + "serveXXXXXX";
    if (!::mkdtemp(name.data())) throw std::runtime_error("can't make " + name);
    directory_ = name;
    write(policy);
    start(before);
}

Served::~Served() {
    if (process_) process_->stop();
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
    // A serve that was killed leaves its lock's file.
    std::string root = state_root();
    std::ranges::replace(root, '/', '-');
    fs::remove("/run/bpfport/serve" + root + ".lock", ignored);
}

void Served::write(const std::string& policy) const {
    const auto path = directory_ / "policy.toml", other = directory_ / ".policy.toml.new";
    std::ofstream(other) << policy;
    fs::rename(other, path);
}

std::vector<std::string> Served::command() const {
    return bpfport_command({"--netns", netns_.name(), "serve", directory_});
}

void Served::start(const std::vector<std::string>& before) {
    notify.clear();
    std::vector<std::string> words{"env", "NOTIFY_SOCKET=" + notify.path()};
    std::ranges::copy(before, std::back_inserter(words));
    // Seen while it runs, not only at its end.
    std::ranges::copy(
        std::vector<std::string>{"sh", "-c", "exec \"$@\" 2>\"$0\"", directory_ / "said"},
        std::back_inserter(words));
    std::ranges::copy(command(), std::back_inserter(words));
    process_.emplace(words);
    if (!notify.has("READY=1")) throw std::runtime_error("serve is not ready: " + said());
}

ProcessResult Served::stop(int signal) {
    process_->signal(signal);
    auto result = process_->wait();
    process_.reset();
    return result;
}

void Served::kill() {
    ::kill(-process_->pid(), SIGKILL);
    process_->wait();
    process_.reset();
}

std::string Served::said() const {
    std::ifstream file(directory_ / "said");
    return {std::istreambuf_iterator<char>(file), {}};
}

testing::AssertionResult Served::says(const std::string& text) const {
    if (time_until([&] { return said().find(text) != std::string::npos; }))
        return testing::AssertionSuccess();
    return testing::AssertionFailure() << '"' << text << "\" is not said:\n" << said();
}

int rounds(int otherwise) {
    const char* wanted = std::getenv("BPFPORT_SERVE_ROUNDS");
    if (wanted) return std::atoi(wanted);
    const auto usual = static_cast<unsigned>(otherwise);
    return static_cast<int>(quick_or_full(usual, usual, (usual + 3) / 4));
}

} // namespace bpfport::test
