// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "stats/family_channel.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>

#include <nlohmann/json.hpp>

namespace bpfport {

namespace {

using nlohmann::json;

constexpr char kReady = 'r';
constexpr char kError = 'e';
constexpr char kCollect = 'c';
constexpr char kFamiliesMessage = 'f';
constexpr std::size_t kWordsLimit = 4096; // of the server's words
constexpr std::size_t kFamiliesLimit =
    64UL << 20; // 511 rules take less than one MB, Metrics::kMostPerRule less than 40

Result<void> send_all(int fd, const char* bytes, std::size_t size) {
    while (size > 0) {
        ssize_t sent = ::send(fd, bytes, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return system_error("send");
        bytes += sent;
        size -= static_cast<std::size_t>(sent);
    }
    return {};
}

// False: the other side is gone.
Result<bool> receive_all(int fd, char* bytes, std::size_t size) {
    while (size > 0) {
        ssize_t got = ::recv(fd, bytes, size, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return system_error("receive");
        if (got == 0) return false;
        bytes += got;
        size -= static_cast<std::size_t>(got);
    }
    return true;
}

double value_of(const prometheus::MetricFamily& family, const prometheus::ClientMetric& metric) {
    return family.type == prometheus::MetricType::Counter ? metric.counter.value
                                                          : metric.gauge.value;
}

// The kinds that are sent; whatever else the number is, it is no enumerator.
Result<prometheus::MetricType> type_of(const json& number) {
    for (const auto type : {prometheus::MetricType::Counter, prometheus::MetricType::Gauge})
        if (number == static_cast<int>(type)) return type;
    return failure("decode metrics: a family that is neither counters nor gauges");
}

} // namespace

std::string encode(const Families& families) {
    json all = json::array();
    for (const auto& family : families) {
        json series = json::array();
        for (const auto& metric : family.metric) {
            json labels = json::array();
            for (const auto& label : metric.label) labels.push_back({label.name, label.value});
            series.push_back({value_of(family, metric), std::move(labels)});
        }
        all.push_back({family.name, family.help, static_cast<int>(family.type), std::move(series)});
    }
    std::string bytes;
    json::to_cbor(all, nlohmann::detail::output_adapter<char>(bytes));
    return bytes;
}

Result<Families> decode(const std::string& bytes) {
    try {
        Families families;
        for (const auto& one : json::from_cbor(bytes)) {
            const auto type = type_of(one.at(2));
            if (!type) return std::unexpected(type.error());
            prometheus::MetricFamily family{one.at(0), one.at(1), *type, {}};
            for (const auto& series : one.at(3)) {
                prometheus::ClientMetric metric;
                if (family.type == prometheus::MetricType::Counter)
                    metric.counter.value = series.at(0);
                else
                    metric.gauge.value = series.at(0);
                for (const auto& label : series.at(1))
                    metric.label.push_back({label.at(0), label.at(1)});
                family.metric.push_back(std::move(metric));
            }
            families.push_back(std::move(family));
        }
        return families;
    } catch (const json::exception& error) {
        return failure(std::string("decode metrics: ") + error.what());
    }
}

Result<std::pair<FamilyChannel, FamilyChannel>> FamilyChannel::make() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return system_error("make a pair of sockets");
    return std::pair(FamilyChannel(Fd(ends[0])), FamilyChannel(Fd(ends[1])));
}

Result<void> FamilyChannel::send(const Message& message) {
    auto size = static_cast<std::uint32_t>(message.body.size());
    std::string bytes(1, message.kind);
    bytes.append(reinterpret_cast<const char*>(&size), sizeof(size));
    bytes += message.body;
    return send_all(socket_.get(), bytes.data(), bytes.size());
}

Result<std::optional<FamilyChannel::Message>> FamilyChannel::receive(std::size_t limit) {
    char header[1 + sizeof(std::uint32_t)];
    auto there = receive_all(socket_.get(), header, sizeof(header));
    if (!there) return std::unexpected(there.error());
    if (!*there) return std::nullopt;
    std::uint32_t size = 0;
    std::memcpy(&size, header + 1, sizeof(size));
    if (size > limit) return failure("a message is longer than it may be");
    Message message{header[0], std::string(size, '\0')};
    there = receive_all(socket_.get(), message.body.data(), size);
    if (!there) return std::unexpected(there.error());
    if (!*there) return std::nullopt;
    return message;
}

Result<void> FamilyChannel::ready(const std::string& words) { return send({kReady, words}); }

Result<void> FamilyChannel::give_up(const Error& error) {
    return send({kError, error.message + "\n" + error.hint});
}

Result<Families> FamilyChannel::ask() {
    const std::scoped_lock lock(one_at_a_time_);
    if (auto sent = send({kCollect, {}}); !sent) return std::unexpected(sent.error());
    auto answer = receive(kFamiliesLimit);
    if (!answer) return std::unexpected(answer.error());
    if (!*answer || (*answer)->kind != kFamiliesMessage) return failure("the collector is gone");
    return decode((*answer)->body);
}

void FamilyChannel::wait_for_end() {
    pollfd wait{socket_.get(), POLLRDHUP, 0};
    while (::poll(&wait, 1, -1) < 0 || !(wait.revents & (POLLHUP | POLLRDHUP | POLLERR))) {
    }
}

Result<std::string> FamilyChannel::wait_until_ready() {
    auto message = receive(kWordsLimit);
    if (!message) return std::unexpected(message.error());
    if (!*message) return failure("the server's process ended before it was ready");
    if ((*message)->kind == kReady) return (*message)->body;
    auto newline = (*message)->body.find('\n');
    if ((*message)->kind != kError || newline == std::string::npos)
        return failure("the server's process did not say that it is ready");
    return failure((*message)->body.substr(0, newline), (*message)->body.substr(newline + 1));
}

Result<bool> FamilyChannel::wait_for_request() {
    auto message = receive(0);
    if (!message) return std::unexpected(message.error());
    if (!*message) return false;
    if ((*message)->kind != kCollect) return failure("the server's process asks for nonsense");
    return true;
}

Result<void> FamilyChannel::answer(const Families& families) {
    return send({kFamiliesMessage, encode(families)});
}

} // namespace bpfport
