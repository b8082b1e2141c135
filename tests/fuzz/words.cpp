// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Other words of the command line (--listen, --netns, trace --packet) and the names of the store's
// directories.
#include <algorithm>

#include "cli/listen_address.hpp"
#include "fuzz.hpp"
#include "kernel/netlink.hpp"
#include "kernel/netns.hpp"
#include "state/store.hpp"
#include "trace/frame.hpp"

namespace bpfport {

namespace {

void fuzz_listen(std::string_view text) {
    auto address = ListenAddress::parse(text);
    if (!address) return require_usage_error(address.error());
    auto again = ListenAddress::parse(address->text());
    require(again && again->text() == address->text(), "a listen address is read back", text);
}

void fuzz_netns(std::string_view text) {
    auto netns = parse_netns(text);
    if (!netns) return require_usage_error(netns.error());
    require(netns->text == text, "a namespace is called as it was written", text);
    require(netns->path.find('/') != netns->path.npos, "a namespace has a path", text);
    require(netns->path.find('\0') == netns->path.npos, "no path is cut by a NUL", text);
}

// The frame that is made of a packet's words says what the words say.
void fuzz_packet(std::string_view text) {
    auto spec = parse_packet_spec(text);
    if (!spec) return require_usage_error(spec.error());
    Frame frame = build_frame(*spec, Mac{2, 0, 0, 0, 0, 1}, Mac{2, 0, 0, 0, 0, 2});
    FrameView view = view_frame(frame);
    require(view.protocol == spec->protocol, "protocol", text);
    require(view.source == spec->source && view.destination == spec->destination, "address", text);
    require(view.source_port == spec->source_port &&
                view.destination_port == spec->destination_port,
            "port", text);
    require(spec->protocol == Protocol::kUdp || view.flags == spec->flags, "flags", text);
    require(view.checksum == ChecksumState::kCorrect, "checksum", text);
    require(!view.icmp && view.other.empty(), "nothing else", text);
}

void fuzz_store(std::string_view text) {
    std::uint64_t netns = 0;
    if (parse_instance_name(text, netns))
        require(instance_name(netns) == text, "an instance has one name", text);
    TcName name;
    if (parse_tc_name(text, name))
        require(tc_name(name.netns, name.ifindex) == text, "an attachment has one name", text);
}

// The first word, looked for among the others.
void fuzz_suggestion(std::string_view text) {
    std::vector<std::string> words(1);
    for (char c : text.substr(0, 256)) {
        if (c == ' ')
            words.emplace_back();
        else
            words.back() += c;
    }
    auto wrong = words.front();
    std::span known(words.begin() + 1, words.end());
    auto hint = suggest_name(wrong, known);
    bool is_known = std::ranges::find(known, wrong) != known.end();
    require(!is_known || hint.find("did you mean") != hint.npos, "the same word is near", text);
}

} // namespace

void fuzz(Bytes input) {
    auto text = text_of(input);
    fuzz_listen(text);
    fuzz_netns(text);
    fuzz_packet(text);
    fuzz_store(text);
    fuzz_suggestion(text);
}

} // namespace bpfport
