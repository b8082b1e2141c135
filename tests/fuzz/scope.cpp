// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Scopes: whatever is read is safe to use as a name or a path, and is read back from what it prints.
#include "rule/scope.hpp"

#include "fuzz.hpp"

namespace bpfport {

namespace {

bool has_part(std::string_view path, std::string_view part) {
    for (std::size_t start = 0; start <= path.size();) {
        auto end = std::min(path.find('/', start), path.size());
        if (path.substr(start, end - start) == part) return true;
        start = end + 1;
    }
    return false;
}

void require_valid(const Scope& scope) {
    std::string_view name = scope.name();
    switch (scope.kind()) {
    case Scope::Kind::kInterface:
        require(!name.empty() && name.size() <= 15, "the kernel would take the name", name);
        require(name.find_first_of("/: ") == name.npos && name != "." && name != "..",
                "an interface's name is no path", name);
        break;
    case Scope::Kind::kPattern:
        require(name.find_first_of("*?[") != name.npos && name.find('/') == name.npos,
                "a pattern has a wildcard, and is no path", name);
        break;
    case Scope::Kind::kCgroup:
        require(name.starts_with('/') && (name == "/" || !name.ends_with('/')),
                "a cgroup's path has one spelling", name);
        require(!has_part(name, "..") && !has_part(name, "."), "a path leads nowhere else", name);
        require(name == "/" || !has_part(name.substr(1), ""), "no '/' is doubled", name);
        break;
    case Scope::Kind::kUnit:
    case Scope::Kind::kContainer:
    case Scope::Kind::kUser:
        require(!name.empty() && name.find('/') == name.npos && name.front() != '.',
                "a unit or container is the name of one folder", name);
        require(is_printable(name), "a unit or container is printable", name);
        break;
    case Scope::Kind::kPid:
        require(scope.pid() > 0, "a process has an id");
        break;
    case Scope::Kind::kAny:
        break;
    }
    require(scope.is_cgroup() || scope.pid() == 0, "only processes have an id", name);
    require(!scope.matches("lo") || name == "lo", "lo is served when it is named", name);
    require(name.find('\0') == name.npos, "no name is cut by a NUL", name);
}

} // namespace

void fuzz(Bytes input) {
    auto text = text_of(input);
    auto scope = parse_scope(text);
    if (!scope) return require_usage_error(scope.error());
    require(!looks_like_rule(text), "what is read as a scope is no rule", text);
    require_valid(*scope);
    auto printed = scope->to_string();
    auto again = parse_scope(printed);
    require(again && *again == *scope, "what a scope prints is read as that scope", printed);
}

} // namespace bpfport
