// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "harness/translation.hpp"

#include <netinet/in.h>

#include <stdexcept>

#include <fmt/format.h>

namespace bpfport::test {
namespace {

std::uint16_t read16(ByteView bytes, std::size_t at) {
    return static_cast<std::uint16_t>(bytes[at] * 256 + bytes[at + 1]);
}

void write16(Bytes& bytes, std::size_t at, std::uint16_t value) {
    bytes[at] = static_cast<std::uint8_t>(value / 256);
    bytes[at + 1] = static_cast<std::uint8_t>(value % 256);
}

// A checksum whose covered bytes changed from a sum to another (RFC 1624, equation 3).
std::uint16_t moved(std::uint16_t checksum, std::uint16_t sum_before, std::uint16_t sum_after) {
    std::uint32_t sum = static_cast<std::uint16_t>(~checksum);
    sum += static_cast<std::uint16_t>(~sum_before);
    sum += sum_after;
    while (sum > 0xffff) sum = sum % 0x10000 + sum / 0x10000;
    return static_cast<std::uint16_t>(~sum);
}

// `after` has the new bytes between `from` and `to`; brings the checksum of `headers` up to date.
void settle(const Bytes& before, Bytes& after, const Headers& headers, std::size_t from,
            std::size_t to) {
    if (!headers.checksum_offset || headers.l4_checksum == Verdict::kNone) return;
    const std::size_t at = *headers.checksum_offset;
    if (headers.l4_checksum == Verdict::kGood) {
        write16(after, at, l4_checksum(after, headers));
        return;
    }
    const std::uint16_t old = read16(before, at);
    if (headers.protocol == IPPROTO_UDP && old == 0) return; // over IPv6: illegal, and left so
    std::uint16_t updated = moved(old, ones_sum(ByteView(before).subspan(from, to - from)),
                                  ones_sum(ByteView(after).subspan(from, to - from)));
    if (headers.protocol == IPPROTO_UDP && updated == 0) updated = 0xffff;
    write16(after, at, updated);
}

std::string both(const Bytes& wanted, const Bytes& got, Start start) {
    return fmt::format("wanted {}\n   got {}\n{}", describe(wanted, start), describe(got, start),
                       hexdump(got, wanted));
}

} // namespace

Bytes translate(const Bytes& before, Where where, std::uint16_t port, Start start) {
    const View view = parse(before, start);
    const bool quoted = where == Where::kQuotedSource || where == Where::kQuotedDestination;
    const bool source = where == Where::kSource || where == Where::kQuotedSource;
    const std::optional<Headers>& headers = quoted ? view.quoted : view.packet;
    if (!headers || !headers->sport)
        throw std::invalid_argument("no such port in: " + describe(before, start));

    Bytes after = before;
    const std::size_t at = headers->l4_offset + (source ? 0 : 2);
    write16(after, at, port);
    settle(before, after, *headers, at, at + 2);
    // The ICMP checksum covers the quote with its own checksum: the message begins at an even
    // offset of the sum, so the whole rest of the frame may be compared.
    if (quoted) settle(before, after, *view.packet, view.packet->l4_offset + 4, after.size());
    return after;
}

testing::AssertionResult expect_translation(const Bytes& before, const Bytes& after, Where where,
                                            std::uint16_t port, Start start) {
    const Bytes wanted = translate(before, where, port, start);
    if (after == wanted) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "before " << describe(before, start) << "\n"
                                       << both(wanted, after, start);
}

testing::AssertionResult expect_untouched(const Bytes& before, const Bytes& after, Start start) {
    if (before == after) return testing::AssertionSuccess();
    return testing::AssertionFailure() << both(before, after, start);
}

} // namespace bpfport::test
