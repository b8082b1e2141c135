// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "net/observe/metrics_lab.hpp"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace bpfport::test {

std::optional<double> metric(const std::string& text, const std::string& name,
                             const std::vector<std::string>& labels) {
    std::optional<double> sum;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with(name + "{") && !line.starts_with(name + " ")) continue;
        if (!std::ranges::all_of(labels,
                                 [&](const auto& label) { return line.find(label) != line.npos; }))
            continue;
        sum = sum.value_or(0) + std::stod(line.substr(line.rfind(' ')));
    }
    return sum;
}

void MetricsLab::SetUp() {
    REQUIRE_ROOT();
    require_bpffs();
    net_.emplace();
}

void MetricsLab::TearDown() {
    if (!net_) return;
    bpfport(net_->server, {"detach", "--all"});
    EXPECT_TRUE(expect_kernel_empty({net_->client, net_->server}));
}

void MetricsLab::attach(const std::vector<std::string>& words) {
    std::vector<std::string> arguments = {"attach", "--engine", "tc"}; // which counts packets
    arguments.insert(arguments.end(), words.begin(), words.end());
    auto result = bpfport(net_->server, arguments);
    ASSERT_EQ(result.status, 0) << result.err;
}

std::string MetricsLab::metrics(std::vector<std::string> options) {
    options.insert(options.begin(), "metrics");
    auto result = bpfport(net_->server, options);
    EXPECT_EQ(result.status, 0) << result.err;
    return result.out;
}

void MetricsLab::client_nft(const std::string& ruleset) const {
    auto result = run({"nft", "-f", "-"}, {.netns = &net_->client, .input = ruleset});
    ASSERT_EQ(result.status, 0) << result.err;
}

Wire MetricsLab::counted(const std::string& counter) const {
    auto result =
        run({"nft", "-j", "list", "counter", "inet", "wire", counter}, {.netns = &net_->client});
    EXPECT_EQ(result.status, 0) << result.err;
    if (result.status != 0) return {};
    auto json = nlohmann::json::parse(result.out);
    for (const auto& one : json.at("nftables"))
        if (one.contains("counter"))
            return {one["counter"].at("packets"), one["counter"].at("bytes")};
    ADD_FAILURE() << result.out;
    return {};
}

std::string http_get(const Netns& netns, const Endpoint& at, const std::string& path) {
    auto client = TcpClient::connect(netns, at);
    if (!client || !client->send(fmt::format("GET {} HTTP/1.0\r\n\r\n", path))) return {};
    std::string answer;
    for (;;) {
        auto part = client->receive(65536);
        if (!part) return {};
        answer += *part;
        if (part->size() < 65536) break;
    }
    auto end = answer.find("\r\n\r\n");
    return answer.starts_with("HTTP/1.") && answer.find(" 200 ") < end ? answer.substr(end + 4)
                                                                       : std::string();
}

} // namespace bpfport::test
