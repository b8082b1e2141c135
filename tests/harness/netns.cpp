// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "harness/netns.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>

#include "base/error.hpp"
#include "harness/process.hpp"
#include "harness/sweep.hpp"

namespace bpfport::test {
namespace {

std::vector<std::string> words(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> out;
    for (std::string word; in >> word;) out.push_back(word);
    return out;
}

} // namespace

NetnsScope::NetnsScope(int netns)
    : before_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    if (!before_ || ::setns(netns, CLONE_NEWNET) != 0)
        throw std::runtime_error("enter network namespace: " + error_text(errno));
}

NetnsScope::~NetnsScope() {
    // To go on in the wrong namespace would let a test work on the machine's own interfaces.
    if (::setns(before_.get(), CLONE_NEWNET) != 0) std::abort();
}

Netns::Netns() : name_(unique_name()) {
    const auto made = test::run({"ip", "netns", "add", name_});
    if (made.status != 0) throw std::runtime_error("ip netns add: " + made.err);
    fd_ = Fd(::open(fmt::format("{}/{}", kNetnsDirectory, name_).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd_) throw std::runtime_error("open " + name_ + ": " + error_text(errno));
    // Link-local addresses usable at once: without one, a router can't ask for its neighbours, and
    // the first IPv6 packets of a test would wait seconds for duplicate address detection.
    if (std::ifstream("/proc/sys/net/ipv6/conf/default/accept_dad")) {
        sysctl("net/ipv6/conf/default/accept_dad", "0");
        sysctl("net/ipv6/conf/default/dad_transmits", "0");
    }
    ip("link set lo up");
}

Netns::~Netns() {
    fd_ = Fd();
    remove_netns(name_);
}

void Netns::destroy() {
    kill_processes_in_netns(inode());
    fd_ = Fd();
    test::run({"ip", "netns", "del", name_});
}

unsigned long Netns::inode() const {
    struct stat status {};
    ::fstat(fd(), &status);
    return status.st_ino;
}

std::string Netns::ip(const std::string& arguments) const {
    std::vector<std::string> argv = {"ip", "-n", name_};
    for (std::string& word : words(arguments)) argv.push_back(std::move(word));
    const auto done = test::run(argv);
    if (done.status != 0)
        throw std::runtime_error(fmt::format("ip -n {} {}: {}", name_, arguments, done.err));
    return done.out;
}

void Netns::sysctl(const std::string& key, const std::string& value) const {
    const bool written = run([&] {
        std::ofstream file("/proc/sys/" + key);
        file << value << std::flush;
        return file.good();
    });
    if (!written) throw std::runtime_error(fmt::format("sysctl {} = {}", key, value));
}

std::string Netns::sysctl(const std::string& key) const {
    return run([&] {
        std::ifstream file("/proc/sys/" + key);
        std::string value;
        std::getline(file, value);
        return value;
    });
}

unsigned Netns::ifindex(const std::string& interface) const {
    return run([&] { return ::if_nametoindex(interface.c_str()); });
}

} // namespace bpfport::test
