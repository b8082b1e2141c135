// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "manual/roff.hpp"

#include <algorithm>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace bpfport {

namespace {

constexpr std::string_view kIndent = "  ";

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    std::istringstream in{std::string(text)};
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

std::string_view trimmed(std::string_view line) {
    const auto first = line.find_first_not_of(' ');
    return first == line.npos ? std::string_view() : line.substr(first);
}

// "  word  what it is": its two parts.
std::optional<std::pair<std::string_view, std::string_view>> item_of(std::string_view line) {
    line = trimmed(line);
    const auto gap = line.find(kIndent);
    if (gap == line.npos || line.starts_with("bpfport attach")) return std::nullopt;
    return std::pair(line.substr(0, gap), trimmed(line.substr(gap)));
}

bool goes_on(std::string_view line) { return line.starts_with("     "); }

using Lines = std::vector<std::string>::const_iterator;

std::string verbatim(Lines line, Lines end) {
    std::string out = ".RS 4\n.EX\n";
    for (; line != end; ++line) out += roff(std::string_view(*line).substr(kIndent.size())) + "\n";
    return out + ".EE\n.RE\n";
}

// Lines with spaces before them: a list when each has the form of an item, else as they are.
std::string block(Lines line, Lines end, const std::string& gap) {
    for (auto each = line; each != end; ++each)
        if (!goes_on(*each) && !item_of(*each)) return gap + verbatim(line, end);
    std::string out;
    for (; line != end; ++line) {
        if (goes_on(*line)) {
            out += roff(trimmed(*line)) + "\n";
            continue;
        }
        const auto [word, meaning] = *item_of(*line);
        out += fmt::format(".TP\n\\fB{}\\fR\n{}\n", roff(word), roff(meaning));
    }
    return out;
}

bool is_indented(const std::string& line) { return line.starts_with(kIndent); }

} // namespace

std::string roff(std::string_view text) {
    std::string out;
    if (!text.empty() && (text.front() == '.' || text.front() == '\'')) out = "\\&";
    for (char c : text) {
        switch (c) {
        case '\\':
            out += "\\e";
            break;
        case '-':
            out += "\\-";
            break;
        case '\'':
            out += "\\(aq";
            break;
        case '`':
            out += "\\(ga";
            break;
        case '^':
            out += "\\(ha";
            break;
        case '~':
            out += "\\(ti";
            break;
        default:
            out += c;
        }
    }
    return out;
}

std::string roff_prose(std::string_view text) {
    const auto lines = lines_of(text);
    std::string out;
    bool paragraph = true; // the line at hand goes on with one; the first needs no macro
    for (auto line = lines.begin(); line != lines.end();) {
        if (line->empty()) {
            paragraph = false;
            ++line;
        } else if (is_indented(*line)) {
            const auto end = std::find_if_not(line, lines.end(), is_indented);
            out += block(line, end, out.empty() ? "" : ".PP\n");
            paragraph = false;
            line = end;
        } else {
            if (!paragraph) out += ".PP\n";
            out += roff(*line) + "\n";
            paragraph = true;
            ++line;
        }
    }
    return out;
}

std::string take_examples(std::string& text) {
    constexpr std::string_view kTitle = "Examples:\n";
    const auto title = text.find(kTitle);
    if (title == text.npos) return {};
    std::string rest, examples;
    for (const auto& line : lines_of(std::string_view(text).substr(title + kTitle.size())))
        (rest.empty() && is_indented(line) ? examples : rest) += line + "\n";
    text.resize(title);
    while (text.ends_with(' ')) text.pop_back();
    if (!text.empty() && !text.ends_with('\n')) text += '\n';
    if (!rest.empty()) text += "\n" + rest;
    return examples;
}

} // namespace bpfport
