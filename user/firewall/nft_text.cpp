// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// libnftables-json(5), "EXPRESSIONS".
#include "firewall/nft_text.hpp"

#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace bpfport {

namespace {

using Json = nlohmann::json;

std::string joined(const Json& list, std::string_view between) {
    std::string text;
    if (!list.is_array()) return nft_text(list);
    for (const auto& one : list) text += (text.empty() ? "" : std::string(between)) + nft_text(one);
    return text;
}

std::string part(const Json& object, const char* key) {
    auto found = object.find(key);
    return found == object.end() ? std::string() : nft_text(*found);
}

std::string payload(const Json& value) {
    if (value.contains("base"))
        return fmt::format("@{},{},{}", part(value, "base"), part(value, "offset"),
                           part(value, "len"));
    return part(value, "protocol") + " " + part(value, "field");
}

std::string fib(const Json& value) {
    return fmt::format("fib {} {}", joined(value.value("flags", Json()), " . "),
                       part(value, "result"));
}

std::string of_kind(const std::string& kind, const Json& value) {
    if (kind == "set") return fmt::format("{{ {} }}", joined(value, ", "));
    if (kind == "concat") return joined(value, " . ");
    if (kind == "range") return joined(value, "-");
    if (kind == "&" || kind == "|" || kind == "^" || kind == "<<" || kind == ">>")
        return joined(value, " " + kind + " ");
    if (!value.is_object()) return kind;
    if (kind == "payload") return payload(value);
    if (kind == "fib") return fib(value);
    if (kind == "prefix") return part(value, "addr") + "/" + part(value, "len");
    if (kind == "elem") return part(value, "val");
    for (const char* name : {"name", "key"}) // meta, ct, rt, socket, tcp option, exthdr ...
        if (value.contains(name)) {
            auto field = part(value, "field");
            return fmt::format("{} {}{}{}", kind, part(value, name), field.empty() ? "" : " ",
                               field);
        }
    return kind; // numgen, jhash ...: that there is one
}

} // namespace

std::string nft_text(const Json& expression) {
    if (expression.is_string()) return expression.get<std::string>();
    if (expression.is_array()) return fmt::format("{{ {} }}", joined(expression, ", "));
    if (!expression.is_object()) return expression.is_null() ? std::string() : expression.dump();
    if (expression.empty()) return {};
    return of_kind(expression.begin().key(), *expression.begin());
}

std::string text_of(const nlohmann::json& object, const char* key) {
    auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

} // namespace bpfport
