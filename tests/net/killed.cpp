// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "net/killed.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <regex>

#include <fmt/format.h>

namespace bpfport::test {
namespace {

constexpr const char* kCalls = "bpf,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,"
                               "symlink,symlinkat,link,linkat,utimensat,sendto,sendmsg";

bool changes(const std::string& text) {
    static const std::regex kBpf(
        "^bpf\\(BPF_(MAP_UPDATE|MAP_DELETE|OBJ_PIN|LINK_CREATE|LINK_UPDATE|"
        "LINK_DETACH|PROG_ATTACH|PROG_DETACH)");
    static const std::regex kNetlink("^send.*nlmsg_type=RTM_(NEW|DEL|SET)");
    if (text.find("= -1 ") != text.npos) return false;
    if (text.starts_with("bpf(")) return std::regex_search(text, kBpf);
    if (text.starts_with("send")) return std::regex_search(text, kNetlink);
    return true;
}

std::vector<std::string> strace(std::vector<std::string> options,
                                const std::vector<std::string>& command) {
    options.insert(options.begin(), {"strace", "-f", "-qqq"});
    options.insert(options.end(), command.begin(), command.end());
    return options;
}

} // namespace

std::vector<std::string> traced(const std::vector<std::string>& command, const std::string& file) {
    return strace({"-o", file, "-e", fmt::format("trace={}", kCalls)}, command);
}

std::vector<std::string> killed_at(const Call& call, const std::vector<std::string>& command) {
    return strace({"-o", "/dev/null", "-e", "trace=" + call.name, "-e",
                   fmt::format("inject={}:signal=KILL:when={}", call.name, call.number)},
                  command);
}

// A line is "PID call(...) = 0"; one that another process's came into goes on in "PID <... call resumed>".
std::vector<Call> changing_calls(const std::string& file) {
    std::map<std::string, std::map<std::string, unsigned>> counts;
    std::map<std::string, std::vector<Call>> calls;
    std::ifstream lines(file);
    std::string pid, text;
    while (lines >> pid >> std::ws && std::getline(lines, text)) {
        if (text.starts_with("<...")) continue;
        const auto name = text.substr(0, text.find('('));
        if (name.size() == text.size()) continue; // signals, exits
        const auto number = ++counts[pid][name];
        if (changes(text)) calls[pid].push_back({name, number, text});
    }
    std::vector<Call> most;
    for (auto& [_, of_one] : calls)
        if (of_one.size() > most.size()) most = std::move(of_one);
    return most;
}

std::vector<Call> some_of(const std::vector<Call>& calls, std::size_t most) {
    if (calls.size() <= most) return calls;
    if (most == 1) return {calls[calls.size() / 2]};
    std::vector<Call> some;
    for (std::size_t i = 0; i < most; i++)
        some.push_back(calls[i * (calls.size() - 1) / (most - 1)]);
    return some;
}

} // namespace bpfport::test
