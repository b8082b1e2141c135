// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "harness/capture.hpp"

#include <arpa/inet.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "base/error.hpp"

namespace bpfport::test {
namespace {

void enable(const Fd& socket, int level, int option, int value) {
    if (::setsockopt(socket.get(), level, option, &value, sizeof(value)) != 0)
        throw std::runtime_error("capture: setsockopt: " + error_text(errno));
}

// The tag back where it was on the wire: after the two MAC addresses.
void restore_tag(Bytes& frame, const tpacket_auxdata& aux) {
    const auto tpid = (aux.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0U ? aux.tp_vlan_tpid : 0x8100;
    Bytes tag;
    put16(tag, static_cast<std::uint16_t>(tpid));
    put16(tag, aux.tp_vlan_tci);
    frame.insert(frame.begin() + 12, tag.begin(), tag.end());
}

} // namespace

FrameFilter with_port(std::uint16_t port) {
    return [port](const Captured& captured) {
        const auto has = [port](const std::optional<Headers>& headers) {
            return headers && (headers->sport == port || headers->dport == port);
        };
        return has(captured.view.packet) || has(captured.view.quoted);
    };
}

Capture::Capture(const Interface& interface) : name_(interface.name()) {
    socket_ =
        interface.netns().run([] { return Fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)); });
    if (!socket_) throw std::runtime_error("capture: " + error_text(errno));
    enable(socket_, SOL_PACKET, PACKET_AUXDATA, 1);
    enable(socket_, SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(interface.index());
    socklen_t size = sizeof(address);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket_.get(), generic, size) != 0 ||
        ::getsockname(socket_.get(), generic, &size) != 0)
        throw std::runtime_error("capture on " + name_ + ": " + error_text(errno));
    const bool ethernet =
        address.sll_hatype == ARPHRD_ETHER || address.sll_hatype == ARPHRD_LOOPBACK;
    start_ = ethernet ? Start::kEthernet : Start::kNetwork;
}

void Capture::send(const Bytes& frame) const {
    // The queue of received packets is the CPU's, for all namespaces: another test may have filled it.
    for (int tries = 0; tries < 100; ++tries) {
        const ssize_t sent = ::send(socket_.get(), frame.data(), frame.size(), 0);
        if (sent == static_cast<ssize_t>(frame.size())) return;
        if (errno != ENOBUFS) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    throw std::runtime_error("inject into " + name_ + ": " + error_text(errno));
}

std::optional<Captured> Capture::next(const FrameFilter& filter,
                                      std::chrono::milliseconds patience) {
    const auto end = std::chrono::steady_clock::now() + patience;
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            end - std::chrono::steady_clock::now());
        if (left.count() < -1000) return {}; // a flood of other frames
        pollfd wait{.fd = socket_.get(), .events = POLLIN, .revents = 0};
        if (::poll(&wait, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0))) != 1)
            return {};

        Captured captured;
        captured.frame.resize(1 << 17);
        iovec data{captured.frame.data(), captured.frame.size()};
        sockaddr_ll from{};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(tpacket_auxdata))> control{};
        msghdr message{};
        message.msg_name = &from;
        message.msg_namelen = sizeof(from);
        message.msg_iov = &data;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const ssize_t size = ::recvmsg(socket_.get(), &message, 0);
        if (size < 0) return {}; // the interface went down
        captured.frame.resize(static_cast<std::size_t>(size));
        captured.outgoing = from.sll_pkttype == PACKET_OUTGOING;
        if (const cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr) {
            tpacket_auxdata aux{};
            std::memcpy(&aux, CMSG_DATA(header), sizeof(aux));
            captured.checksum_ready = (aux.tp_status & TP_STATUS_CSUMNOTREADY) == 0;
            if ((aux.tp_status & TP_STATUS_VLAN_VALID) != 0) restore_tag(captured.frame, aux);
        }
        captured.view = parse(captured.frame, start_);
        if (filter(captured)) return captured;
    }
}

std::vector<Captured> Capture::all(const FrameFilter& filter, std::chrono::milliseconds quiet) {
    std::vector<Captured> out;
    while (auto captured = next(filter, quiet)) out.push_back(std::move(*captured));
    return out;
}

} // namespace bpfport::test
