// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// ServeLog: what serve says. To the journal, with fields, when standard error is connected to it; else lines. What
// lasts, such as a missing interface, is said when it begins and not again as long as it stays the same.
#pragma once

#include <iosfwd>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace bpfport {

struct LogEntry {
    enum class Level { kError = 3, kWarning = 4, kNotice = 5, kInfo = 6 }; // syslog's
    Level level = Level::kInfo;
    std::string event; // added, removed, skipped, policy: the line's first word, and BPFPORT_EVENT
    std::string text;
    std::string hint{};
};

class ServeLog {
  public:
    explicit ServeLog(std::ostream& err);

    void write(const LogEntry& entry);
    // All of this topic that holds now: what did not hold before is written.
    void holds(const std::string& topic, const std::vector<LogEntry>& entries);

  private:
    void write_to_journal(const LogEntry& entry) const;
    void write_line(const LogEntry& entry);

    std::ostream& err_;
    bool journal_;
    std::map<std::string, std::set<std::string>> held_; // by topic
};

// Whether the descriptor is the stream that systemd connected to the journal (JOURNAL_STREAM).
bool is_journal(int fd, const char* journal_stream);

} // namespace bpfport
