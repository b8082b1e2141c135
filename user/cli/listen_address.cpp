// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/listen_address.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <cstring>

#include <fmt/format.h>

#include "base/fd.hpp"
#include "rule/port.hpp"

namespace bpfport {

Result<ListenAddress> ListenAddress::parse(std::string_view text) {
    auto wrong = [&] {
        return usage_error(fmt::format("{:?} is not an address to listen on", text),
                           "ADDR:PORT, such as 127.0.0.1:9880 or [::1]:9880");
    };
    auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return wrong();
    auto port = parse_port_number(text.substr(colon + 1));
    auto host = text.substr(0, colon);
    bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    auto address = parse_address(host);
    if (!port || !address || bracketed == address->is_v4()) return wrong();
    return ListenAddress(*address, *port);
}

std::string ListenAddress::with_port(int port) const {
    return address_.is_v4() ? fmt::format("{}:{}", address_.to_string(), port)
                            : fmt::format("[{}]:{}", address_.to_string(), port);
}

Result<void> ListenAddress::try_bind() const {
    sockaddr_storage storage{};
    socklen_t size = 0;
    if (address_.is_v4()) {
        auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port_);
        inet_pton(AF_INET, address_.to_string().c_str(), &v4.sin_addr);
        size = sizeof(v4);
    } else {
        auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port_);
        std::memcpy(&v6.sin6_addr, address_.bytes.data(), sizeof(v6.sin6_addr));
        size = sizeof(v6);
    }
    Fd socket(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int on = 1;
    if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
        return system_error("open a socket");
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&storage), size) == 0) return {};
    return system_error(fmt::format("listen on {}", text()), errno,
                        errno == EACCES ? "privileges are dropped before: take a port from 1024 on"
                                        : "");
}

} // namespace bpfport
