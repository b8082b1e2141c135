// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/load_failure.hpp"

#include <sys/utsname.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "kernel/capabilities.hpp"

namespace bpfport {

namespace {

// What stands between `before` and `after` on the last line that has both.
std::optional<std::string> between(std::string_view log, std::string_view before,
                                   std::string_view after) {
    const auto end = log.rfind(after);
    if (end == log.npos) return std::nullopt;
    const auto at = log.rfind(before, end);
    if (at == log.npos) return std::nullopt;
    const auto start = at + before.size();
    if (start > end || log.substr(start, end - start).find('\n') != log.npos) return std::nullopt;
    return std::string(log.substr(start, end - start));
}

// The log of the program that failed, which libbpf prints between two marks, as lines.
std::vector<std::string_view> verifier_lines(std::string_view log) {
    constexpr std::string_view begin = "-- BEGIN PROG LOAD LOG --\n";
    auto start = log.rfind(begin);
    if (start == log.npos) return {};
    start += begin.size();
    log = log.substr(start, log.find("-- END PROG LOAD LOG", start) - start);
    std::vector<std::string_view> lines;
    while (!log.empty()) {
        const auto end = std::min(log.find('\n'), log.size());
        if (end) lines.push_back(log.substr(0, end));
        log.remove_prefix(std::min(end + 1, log.size()));
    }
    // Statistics come last.
    while (!lines.empty() &&
           (lines.back().starts_with("processed ") ||
            lines.back().starts_with("verification time ") ||
            lines.back().starts_with("stack depth ") || lines.back().starts_with("libbpf: ")))
        lines.pop_back();
    return lines;
}

// "23: (71) r0 = *(u8 *)(r1 +100)"
bool is_instruction(std::string_view line) {
    const auto digits = line.find_first_not_of("0123456789");
    return digits != 0 && digits != line.npos && line.substr(digits).starts_with(": (");
}

// From the source line of the last instruction on.
std::string last_lines(const std::vector<std::string_view>& lines) {
    constexpr std::ptrdiff_t kMost = 8;
    auto from = std::find_if(lines.rbegin(), lines.rend(), is_instruction).base();
    if (from != lines.begin()) --from;
    auto source = std::find_if(std::make_reverse_iterator(from), lines.rend(),
                               [](std::string_view line) { return line.starts_with("; "); });
    std::vector<std::string_view> wanted;
    if (source != lines.rend() && std::distance(source.base(), from) < kMost)
        wanted.push_back(*source);
    from = std::max(from, lines.end() - std::min(kMost, std::ssize(lines)));
    wanted.insert(wanted.end(), from, lines.end());
    return fmt::format("{}", fmt::join(wanted, "\n"));
}

bool says_feature(std::string_view reason) {
    constexpr std::string_view kWords[] = {"unknown func ",         "invalid func ",
                                           "cannot use helper",     "calling kernel function ",
                                           "kernel function call ", "unknown opcode "};
    return std::ranges::any_of(kWords, [&](auto word) { return reason.find(word) != reason.npos; });
}

LoadRefusal refusal_of(const LoadFailure& failure, std::string_view log) {
    if (says_feature(failure.reason)) return LoadRefusal::kFeature;
    if (failure.reason.find("too large. Processed") != std::string::npos ||
        failure.reason.find("too complex") != std::string::npos)
        return LoadRefusal::kTooComplex;
    if (!failure.reason.empty()) return LoadRefusal::kVerifier;
    if (log.find("vmlinux BTF") != log.npos || log.find("valid kernel BTF") != log.npos)
        return LoadRefusal::kNoBtf;
    if (failure.code == EPERM || failure.code == EACCES) return LoadRefusal::kPrivilege;
    if (failure.code == ENOMEM || failure.code == E2BIG || failure.code == ENOSPC)
        return LoadRefusal::kMemory;
    if (failure.code == EINVAL || failure.code == EOPNOTSUPP || failure.code == ENOENT)
        return LoadRefusal::kFeature;
    return LoadRefusal::kOther;
}

const char* refused_by(LoadRefusal refusal) {
    switch (refusal) {
    case LoadRefusal::kVerifier:
        return "the kernel's verifier refuses it";
    case LoadRefusal::kTooComplex:
        return "the kernel's verifier gave up";
    case LoadRefusal::kPrivilege:
        return "not allowed";
    case LoadRefusal::kMemory:
        return "the kernel has no memory for it";
    case LoadRefusal::kFeature:
        return "this kernel has not what it needs";
    case LoadRefusal::kNoBtf:
        return "this kernel does not describe its types";
    case LoadRefusal::kOther:
        break;
    }
    return "the kernel refuses it";
}

std::string kernel_release() {
    utsname name{};
    return ::uname(&name) == 0 ? name.release : "unknown";
}

} // namespace

LoadFailure explain_load(std::string_view object, int code, std::string_view log) {
    LoadFailure failure;
    failure.code = code;
    failure.object = object;
    if (auto name = between(log, "prog '", "': BPF program load failed"))
        failure.part = "program " + *name;
    else if (auto map = between(log, "map '", "': failed to create"))
        failure.part = "map " + *map;
    else if (auto extern_function = between(log, "extern (func ksym) '", "': not found"))
        failure.reason = fmt::format("unknown func {}, a function of the kernel", *extern_function);
    if (failure.part.starts_with("program")) {
        const auto lines = verifier_lines(log);
        if (!lines.empty()) failure.reason = lines.back();
        failure.detail = last_lines(lines);
    }
    failure.refusal = refusal_of(failure, log);
    return failure;
}

Error LoadFailure::error() const {
    std::string message = fmt::format("object {}: ", object);
    if (!part.empty()) message += part + ": ";
    message +=
        fmt::format("{}: {}", refused_by(refusal), reason.empty() ? error_text(code) : reason);
    std::string_view rest = detail;
    while (!rest.empty()) { // indented, so that the error stays one thing to the eye
        const auto line = rest.substr(0, rest.find('\n'));
        message += fmt::format("\n    {}", line);
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    }
    return Error{code, std::move(message), remedy()};
}

std::string LoadFailure::remedy() const {
    const std::string made =
        fmt::format("compiled by {}, loaded on Linux {}", compiler, kernel_release());
    switch (refusal) {
    case LoadRefusal::kVerifier:
    case LoadRefusal::kTooComplex:
        return made + ": a fault of this build, not of the host or the rule; build it with another "
                      "clang (cmake -DBPF_CLANG=PATH), or report this with `bpfport doctor`";
    case LoadRefusal::kPrivilege: {
        auto missing = capability_hint(kAttachCapabilities);
        return missing.empty()
                   ? "all capabilities are there: kernel lockdown, a security module, a "
                     "seccomp filter or a memory lock limit forbids bpf(2) here"
                   : missing;
    }
    case LoadRefusal::kMemory:
        return "free memory, raise memory.max of this control group, or ask for smaller tables "
               "(--hints, --flows)";
    case LoadRefusal::kFeature:
        return made + ": docs/engines.md says which kernel each engine needs";
    case LoadRefusal::kNoBtf:
        return "a kernel with CONFIG_DEBUG_INFO_BTF (/sys/kernel/btf/vmlinux)";
    case LoadRefusal::kOther:
        break;
    }
    return made;
}

std::string compiler_of(const void* elf, std::size_t size) {
    constexpr std::string_view mark = "bpfport compiler: ";
    const std::string_view bytes(static_cast<const char*>(elf), size);
    auto at = bytes.find(mark);
    if (at == bytes.npos) return "an unknown compiler";
    at += mark.size();
    std::string name(bytes.substr(at, bytes.find('\0', at) - at));
    std::erase_if(name, [](unsigned char c) { return !std::isprint(c); });
    while (name.ends_with(' ')) name.pop_back();
    return name;
}

} // namespace bpfport
