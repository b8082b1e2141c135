// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The container's state that a runtime hands to `bpfport oci-hook` (OCI runtime JSON).
#include "cli/container_state.hpp"

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "fuzz.hpp"

namespace bpfport {

namespace {

// The input as an annotation's text and as the container's id, in a state as runtimes write it.
void fuzz_round_trip(std::string_view text) {
    nlohmann::json json = {{"ociVersion", "1.0.2"},
                           {"id", text},
                           {"status", "created"},
                           {"pid", 4321},
                           {"annotations", {{"bpfport.publish", text}}}};
    using Json = nlohmann::json;
    auto written = json.dump(-1, ' ', false, Json::error_handler_t::replace);
    auto id = Json::parse(written)["id"].get<std::string>(); // with what is no UTF-8 replaced
    auto state = parse_container_state(written);
    bool usable = !id.empty() && id.size() <= kLongestContainerId && printable(id) == id;
    require(state.has_value() == usable, "what has a usable id is a state", written);
    if (!state) return;
    require(state->id == id && state->publish == id && state->pid == 4321 && state->grant.empty(),
            "a state is read back", written);
}

} // namespace

void fuzz(Bytes input) {
    auto text = text_of(input);
    fuzz_round_trip(text);
    auto state = parse_container_state(text);
    if (!state) return require_usage_error(state.error());
    require(!state->id.empty(), "a container has an id", text);
    require(state->pid >= 0, "a process has an id, or is gone", text);
}

} // namespace bpfport
