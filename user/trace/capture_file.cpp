// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "trace/capture_file.hpp"

#include <memory>

#include <fmt/format.h>
#include <pcap/pcap.h>

namespace bpfport {

namespace {

struct Close {
    void operator()(pcap_t* capture) const { pcap_close(capture); }
};

// Where the network header is, and the EtherType; offset 0: the frame is Ethernet already.
struct LinkHeader {
    std::size_t size = 0;
    std::size_t type_at = 0; // EtherType; unused when it is told by the IP version
    bool by_version = false;
};

std::optional<LinkHeader> link_header(int type) {
    switch (type) {
    case DLT_EN10MB:
        return LinkHeader{};
    case DLT_LINUX_SLL:
        return LinkHeader{16, 14, false};
    case DLT_LINUX_SLL2:
        return LinkHeader{20, 0, false};
    case DLT_RAW:
    case DLT_IPV4:
    case DLT_IPV6:
        return LinkHeader{0, 0, true};
    default:
        return std::nullopt;
    }
}

Frame with_ethernet(std::span<const std::uint8_t> bytes, const LinkHeader& link,
                    const Mac& destination) {
    Frame frame(destination.begin(), destination.end());
    frame.insert(frame.end(), {0x02, 0, 0, 0, 0, 0x01});
    if (link.by_version) {
        bool ipv6 = !bytes.empty() && bytes[0] >> 4 == 6;
        frame.insert(frame.end(), {static_cast<std::uint8_t>(ipv6 ? 0x86 : 0x08),
                                   static_cast<std::uint8_t>(ipv6 ? 0xdd : 0x00)});
    } else {
        frame.insert(frame.end(), {bytes[link.type_at], bytes[link.type_at + 1]});
    }
    auto network = bytes.subspan(link.size);
    frame.insert(frame.end(), network.begin(), network.end());
    return frame;
}

} // namespace

Result<std::vector<CapturedFrame>> read_capture(const std::string& path, const Mac& destination) {
    char error[PCAP_ERRBUF_SIZE] = {};
    std::unique_ptr<pcap_t, Close> capture(pcap_open_offline(path.c_str(), error));
    if (!capture) return failure(fmt::format("read {}: {}", path, error));
    int type = pcap_datalink(capture.get());
    auto link = link_header(type);
    if (!link)
        return failure(fmt::format("read {}: captured on a device of type {}", path,
                                   pcap_datalink_val_to_name(type) ? pcap_datalink_val_to_name(type)
                                                                   : fmt::format("{}", type)),
                       "Ethernet, \"-i any\" and plain IP can be used");
    std::vector<CapturedFrame> frames;
    pcap_pkthdr* header = nullptr;
    const u_char* data = nullptr;
    int got = 0;
    while ((got = pcap_next_ex(capture.get(), &header, &data)) == 1) {
        std::span<const std::uint8_t> bytes(data, header->caplen);
        bool ethernet = !link->size && !link->by_version;
        if (ethernet)
            frames.push_back({Frame(bytes.begin(), bytes.end()), false});
        else if (bytes.size() > link->size)
            frames.push_back({with_ethernet(bytes, *link, destination), true});
    }
    if (got == PCAP_ERROR)
        return failure(fmt::format("read {}: {}", path, pcap_geterr(capture.get())));
    return frames;
}

} // namespace bpfport
