// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/container_state.hpp"

#include <cstdint>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace bpfport {

namespace {

using Json = nlohmann::json;

// Empty when there is none, or it is no text.
std::string text_of(const Json& object, const char* name) {
    auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

pid_t pid_of(const Json& state) {
    auto found = state.find("pid");
    if (found == state.end() || !found->is_number_unsigned()) return 0;
    auto pid = found->get<std::uint64_t>();
    return pid <= std::numeric_limits<pid_t>::max() ? static_cast<pid_t>(pid) : 0;
}

} // namespace

Result<ContainerState> parse_container_state(std::string_view text) {
    auto json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    ContainerState state;
    if (json.is_object()) state.id = text_of(json, "id");
    if (state.id.empty())
        return usage_error("standard input holds no container state (OCI runtime JSON)",
                           "a container runtime calls this; see docs/cgroup.md");
    if (state.id.size() > kLongestContainerId || printable(state.id) != state.id)
        return usage_error(
            fmt::format("container id {:.40}... is no container's", printable(state.id)),
            "up to 240 characters that can be printed");
    if (text_of(json, "status") != "stopped") state.pid = pid_of(json);
    auto annotations = json.find("annotations");
    if (annotations == json.end() || !annotations->is_object()) return state;
    state.publish = text_of(*annotations, "bpfport.publish");
    state.grant = text_of(*annotations, "bpfport.grant");
    return state;
}

} // namespace bpfport
