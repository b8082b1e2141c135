// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "serve/log.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <ostream>

#include <fmt/ostream.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "base/text.hpp"

namespace bpfport {

bool is_journal(int fd, const char* journal_stream) {
    struct stat status {};
    return journal_stream && ::fstat(fd, &status) == 0 &&
           fmt::format("{}:{}", status.st_dev, status.st_ino) == journal_stream;
}

ServeLog::ServeLog(std::ostream& err)
    : err_(err), journal_(is_journal(STDERR_FILENO, std::getenv("JOURNAL_STREAM"))) {}

void ServeLog::write(const LogEntry& entry) {
    journal_ ? write_to_journal(entry) : write_line(entry);
}

void ServeLog::holds(const std::string& topic, const std::vector<LogEntry>& entries) {
    std::set<std::string> now;
    auto& before = held_[topic];
    for (const auto& entry : entries) {
        auto key = fmt::format("{} {}", entry.event, entry.text);
        if (!before.contains(key) && !now.contains(key)) write(entry);
        now.insert(std::move(key));
    }
    before = std::move(now);
}

void ServeLog::write_to_journal(const LogEntry& entry) const {
    const std::string text = printable(entry.text), hint = printable(entry.hint);
    const std::string fields[] = {
        fmt::format("MESSAGE={}: {}{}{}", entry.event, text, hint.empty() ? "" : "; hint: ", hint),
        fmt::format("PRIORITY={}", static_cast<int>(entry.level)),
        "SYSLOG_IDENTIFIER=bpfport",
        fmt::format("BPFPORT_EVENT={}", entry.event),
        fmt::format("BPFPORT_TEXT={}", text),
        fmt::format("BPFPORT_HINT={}", hint)};
    constexpr std::size_t kCount = std::size(fields);
    iovec parts[kCount];
    for (std::size_t i = 0; i < kCount; i++)
        parts[i] = {const_cast<char*>(fields[i].data()), fields[i].size()};
    sd_journal_sendv(parts, static_cast<int>(hint.empty() ? kCount - 1 : kCount));
}

void ServeLog::write_line(const LogEntry& entry) {
    fmt::print(err_, "{}: {}\n", entry.event, printable(entry.text));
    if (!entry.hint.empty()) fmt::print(err_, "hint: {}\n", printable(entry.hint));
    err_.flush();
}

} // namespace bpfport
