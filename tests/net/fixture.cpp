// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "net/fixture.hpp"

#include <sys/socket.h>

#include <cctype>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "bpfport/flow.h"
#include "harness/sweep.hpp"
#include "kernel/bpf.hpp"
#include "kernel/map.hpp"
#include "state/pins.hpp"

namespace bpfport::test {
namespace {

std::string in_a_word(const Error& error) {
    switch (error.code) {
    case ECONNREFUSED:
        return "refused";
    case ETIMEDOUT:
    case EAGAIN:
        return "silent";
    default:
        return error.message;
    }
}

std::string ask_tcp(const Netns& from, const Endpoint& server, const SocketOptions& options) {
    auto client = TcpClient::connect(from, server, options);
    if (!client) return in_a_word(client.error());
    if (auto sent = client->send("hello"); !sent) return in_a_word(sent.error());
    std::string answer(100, '\0');
    const ssize_t size = ::recv(client->socket().get(), answer.data(), answer.size(), 0);
    if (size < 0) return in_a_word(system_error("receive").error());
    if (size == 0) return "closed";
    answer.resize(static_cast<std::size_t>(size));
    return answer;
}

// Connected, for errors.
Result<std::string> echo_connected(const Netns& from, const Endpoint& server,
                                   const SocketOptions& options) {
    auto client = UdpClient::connect(from, server, options);
    if (!client) return std::unexpected(client.error());
    auto reply = client->echo("hello");
    if (!reply) return std::unexpected(reply.error());
    return reply->data;
}

// Connected; then unconnected, so that an answer from another port would be seen.
std::string ask_udp(const Netns& from, const Endpoint& server, const SocketOptions& options) {
    auto reply = echo_connected(from, server, options);
    if (!reply) return in_a_word(reply.error());
    auto open = UdpClient::open(from, server.address.is_ipv6(), options);
    if (!open) return in_a_word(open.error());
    if (auto sent = open->send_to(server, "hello"); !sent) return in_a_word(sent.error());
    auto again = open->receive();
    if (!again) return in_a_word(again.error());
    if (again->from.port != server.port) return "wrong port";
    return *reply == again->data ? *reply : "two answers";
}

std::vector<std::string> split(const std::string& words) {
    std::istringstream in(words);
    std::vector<std::string> out;
    for (std::string word; in >> word;) out.push_back(word);
    return out;
}

} // namespace

void NetTest::SetUp() {
    REQUIRE_ROOT();
    REQUIRE_PROGRAM("ip");
    require_bpffs();
}

std::string Flavour::text() const {
    return std::string(ipv6 ? "v6" : "v4") + (transport == Transport::kTcp ? " tcp" : " udp");
}

std::string mode_name(const testing::TestParamInfo<Mode>& info) {
    std::string engine = info.param.engine;
    std::erase_if(engine, [](unsigned char c) { return std::isalnum(c) == 0; });
    return engine + info.param.hook + (info.param.tx_checksum ? "TxOn" : "TxOff");
}

void PrintTo(const Mode& mode, std::ostream* out) {
    *out << mode.options() << (mode.tx_checksum ? ", tx checksum on" : ", tx checksum off");
}

std::string Mode::options() const { return std::string("--hook ") + hook + " --engine " + engine; }

std::string ask(const Netns& from, const Endpoint& server, Transport transport,
                const SocketOptions& options) {
    return transport == Transport::kTcp ? ask_tcp(from, server, options)
                                        : ask_udp(from, server, options);
}

TcpClient connected(const Netns& from, const Endpoint& server, const SocketOptions& options) {
    auto client = TcpClient::connect(from, server, options);
    if (!client) throw std::runtime_error(client.error().message);
    return std::move(*client);
}

testing::AssertionResult alive(TcpClient& connection, std::size_t bytes) {
    const std::string message(bytes, 'm');
    const auto reply = connection.echo(message);
    if (!reply) return testing::AssertionFailure() << reply.error().message;
    if (*reply != message)
        return testing::AssertionFailure() << reply->size() << " bytes came back of " << bytes;
    return testing::AssertionSuccess();
}

ProcessResult tool(const Netns& netns, const std::string& words) {
    // Beside bulk transfers on an emulated machine, an attach takes more than 30 s.
    const ProcessOptions patient{.timeout = 90s};
    if (!words.starts_with("attach") || words.find("--engine") != std::string::npos)
        return bpfport(netns, split(words), patient);
    const char* engine = std::getenv("BPFPORT_TEST_ENGINE");
    return bpfport(netns, split(words + " --engine " + (engine != nullptr ? engine : "tc")),
                   patient);
}

testing::AssertionResult works(const Netns& netns, const std::string& words) {
    const auto done = tool(netns, words);
    if (done.status == 0) return testing::AssertionSuccess();
    return testing::AssertionFailure()
           << words << ": exit " << done.status << (done.timed_out ? " (timed out)" : "") << "\n"
           << done.out << done.err;
}

testing::AssertionResult refuses(const Netns& netns, const std::string& words, int status,
                                 const std::vector<std::string>& says) {
    const auto done = tool(netns, words);
    if (done.status != status)
        return testing::AssertionFailure() << words << ": exit " << done.status << "\n"
                                           << done.out << done.err;
    for (const std::string& part : says)
        if (done.err.find(part) == std::string::npos)
            return testing::AssertionFailure() << "\"" << part << "\" is not said:\n" << done.err;
    return testing::AssertionSuccess();
}

std::filesystem::path instance_directory(const Netns& netns) {
    return std::filesystem::path(state_root()) / fmt::format("netns-{}", netns.inode());
}

void forget_hints(const Netns& netns) {
    const auto hints = open_pin(instance_directory(netns) / pins::kHints);
    if (!hints) throw std::runtime_error(hints.error().message);
    for (const auto& key : keys_of<bp_flow_key>(*hints)) bpf_map_delete_elem(hints->get(), &key);
}

nlohmann::json status(const Netns& netns) {
    const auto done = bpfport(netns, {"status", "--json"});
    if (done.status != 0) throw std::runtime_error("status: " + done.err);
    return nlohmann::json::parse(done.out);
}

std::uint64_t outcome(const Netns& netns, const std::string& label) {
    return status(netns).at("outcomes").at(label).get<std::uint64_t>();
}

std::vector<std::string> rules(const Netns& netns) {
    std::vector<std::string> out;
    const auto now = status(netns);
    for (const auto& rule : now.at("rules"))
        out.push_back(rule.at("rule").get<std::string>() + " on " +
                      rule.at("scope").get<std::string>());
    return out;
}

} // namespace bpfport::test
