// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "net/conformance/program.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstring>
#include <functional>
#include <optional>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "harness/sockets.hpp"

namespace bpfport::test {
namespace {

Fd open_at(const Netns& netns, int type, std::uint16_t port) {
    auto socket =
        open_socket(netns, AF_INET6, type | SOCK_NONBLOCK, {.source = Endpoint{"::", port}});
    if (!socket) throw std::runtime_error("program: " + socket.error().message);
    const int on = 1;
    if (type == SOCK_DGRAM)
        ::setsockopt(socket->get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
    if (type == SOCK_STREAM && ::listen(socket->get(), 4096) != 0)
        throw std::runtime_error("program: listen: " + error_text(errno));
    return std::move(*socket);
}

std::string quoted(const std::string& read) {
    if (read.size() > 40)
        return fmt::format("{} bytes, {:x}", read.size(), std::hash<std::string>{}(read));
    std::string out = "'";
    for (const char c : read) out += c == '\n' ? '/' : c;
    return out + "'";
}

// The answer to a line that asks for one.
std::string answer_to(const std::string& line) {
    if (line.starts_with("send ")) return std::string(std::stoul(line.substr(5)), 's');
    return line + "\n";
}

// A datagram, where it came from, and the address it was sent to, to answer from.
struct Letter {
    std::string text = std::string(65536, '\0');
    SocketAddress from;
    in6_pktinfo to{};
};

// What sendmsg and recvmsg take of a letter: its peer, a text, and room for the address.
struct Envelope {
    iovec data;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> control{};
    msghdr message{};

    Envelope(Letter& letter, std::string& text) : data{text.data(), text.size()} {
        message.msg_name = letter.from.get();
        message.msg_namelen = letter.from.size;
        message.msg_iov = &data;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
    }
    Envelope(const Envelope&) = delete;
    Envelope& operator=(const Envelope&) = delete;
};

std::optional<Letter> receive(const Fd& socket) {
    Letter letter;
    Envelope envelope(letter, letter.text);
    const ssize_t size = ::recvmsg(socket.get(), &envelope.message, 0);
    if (size < 0) return {};
    letter.text.resize(static_cast<std::size_t>(size));
    letter.from.size = envelope.message.msg_namelen;
    if (const cmsghdr* header = CMSG_FIRSTHDR(&envelope.message); header != nullptr)
        std::memcpy(&letter.to, CMSG_DATA(header), sizeof(letter.to));
    return letter;
}

void answer(const Fd& socket, Letter& letter, std::string text) {
    Envelope envelope(letter, text);
    cmsghdr* header = CMSG_FIRSTHDR(&envelope.message);
    header->cmsg_level = IPPROTO_IPV6;
    header->cmsg_type = IPV6_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof(in6_pktinfo));
    std::memcpy(CMSG_DATA(header), &letter.to, sizeof(letter.to));
    static_cast<void>(::sendmsg(socket.get(), &envelope.message, 0));
}

Endpoint local_of(const Letter& letter) {
    SocketAddress address;
    auto* v6 = reinterpret_cast<sockaddr_in6*>(address.get());
    v6->sin6_family = AF_INET6;
    v6->sin6_addr = letter.to.ipi6_addr;
    address.size = sizeof(*v6);
    return address.endpoint();
}

} // namespace

Program::Program(const Netns& netns, std::uint16_t port)
    : listener_(open_at(netns, SOCK_STREAM, port)), datagrams_(open_at(netns, SOCK_DGRAM, port)),
      wake_(::eventfd(0, EFD_CLOEXEC)), thread_([this] { serve(); }) {}

Program::~Program() {
    ::eventfd_write(wake_.get(), 1);
    thread_.join();
}

std::size_t Program::accepted() const {
    const std::scoped_lock lock(mutex_);
    return accepted_;
}

bool Program::has_accepted(std::size_t count) const {
    for (int tries = 0; tries < 3000 && accepted() < count; ++tries)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return accepted() >= count;
}

std::vector<ProgramLine> Program::take() {
    const std::scoped_lock lock(mutex_);
    for (const auto& [fd, connection] : connections_) over(connection, "still open");
    connections_.clear();
    return std::exchange(lines_, {});
}

void Program::serve() {
    while (!stopped_) tend(-1, true);
}

// Datagrams last: what became ready before one of them came has had its turn.
bool Program::tend(int timeout_ms, bool datagrams) {
    std::vector<pollfd> waits = {{datagrams ? wake_.get() : -1, POLLIN, 0},
                                 {datagrams ? datagrams_.get() : -1, POLLIN, 0},
                                 {listener_.get(), POLLIN, 0}};
    {
        const std::scoped_lock lock(mutex_);
        for (const auto& [fd, connection] : connections_) waits.push_back({fd, POLLIN, 0});
    }
    if (::poll(waits.data(), waits.size(), timeout_ms) <= 0) return false;
    stopped_ = waits[0].revents != 0;
    {
        const std::scoped_lock lock(mutex_);
        if (waits[2].revents != 0) accept_one();
        for (std::size_t i = 3; i < waits.size(); ++i) {
            const auto found = connections_.find(waits[i].fd);
            if (waits[i].revents != 0 && found != connections_.end() && !read_from(found->second))
                connections_.erase(found);
        }
    }
    if (waits[1].revents != 0) take_datagram();
    return true;
}

void Program::accept_one() {
    Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return;
    SocketAddress peer; // gone already, if the client has reset it
    const bool named = ::getpeername(socket.get(), peer.get(), &peer.size) == 0;
    const int fd = socket.get();
    const Endpoint local = local_endpoint(socket);
    connections_.emplace(
        fd,
        Connection{std::move(socket), local, named ? peer.endpoint() : Endpoint{}, {}, 0, false});
    ++accepted_;
}

bool Program::read_from(Connection& connection) {
    std::array<char, 65536> buffer;
    const ssize_t size = ::recv(connection.socket.get(), buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EAGAIN) return true;
    if (size < 0) return over(connection, "reset"), false;
    if (size == 0) {
        if (connection.late) ::send(connection.socket.get(), "bye\n", 4, MSG_NOSIGNAL);
        return over(connection, "end"), false;
    }
    connection.read.append(buffer.data(), static_cast<std::size_t>(size));
    for (;;) {
        const std::size_t end = connection.read.find('\n', connection.done);
        if (end == std::string::npos) return true;
        const std::string line = connection.read.substr(connection.done, end - connection.done);
        connection.done = end + 1;
        if (!obey(connection, line)) return false;
    }
}

bool Program::obey(Connection& connection, const std::string& line) {
    const int fd = connection.socket.get();
    const auto say = [fd](const std::string& text) {
        ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    };
    if (line == "late") {
        connection.late = true;
    } else if (line == "shut") {
        say("done\n");
        ::shutdown(fd, SHUT_WR);
    } else if (line == "reset") {
        const linger now{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        return over(connection, "reset by us"), false;
    } else if (line.starts_with("close")) {
        say(answer_to(line));
        return over(connection, "closed by us"), false;
    } else {
        say(answer_to(line));
    }
    return true;
}

void Program::over(const Connection& connection, const std::string& how) {
    lines_.push_back({connection.peer, connection.local, false,
                      fmt::format("read {}, {}", quoted(connection.read), how)});
}

void Program::take_datagram() {
    auto letter = receive(datagrams_);
    if (!letter) return; // an ICMP error about an earlier answer
    if (letter->text == kFence) {
        while (tend(0, false)) {
        }
        return answer(datagrams_, *letter, kFence);
    }
    {
        const std::scoped_lock lock(mutex_);
        lines_.push_back({letter->from.endpoint(), local_of(*letter), true,
                          fmt::format("read {}", quoted(letter->text))});
    }
    if (letter->text.empty()) return answer(datagrams_, *letter, "");
    if (letter->text.back() == '\n') letter->text.pop_back();
    answer(datagrams_, *letter, answer_to(letter->text));
}

} // namespace bpfport::test
