// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Session: what every command needs before its own work: the network namespace it is about, its
// privileges, the store, and where its words go.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "engine/change.hpp"
#include "rule/conflict.hpp"
#include "state/store.hpp"

namespace bpfport {

struct Session {
    std::istream& in;
    std::ostream& out;
    std::ostream& err;
    std::string netns; // as typed; empty: the current one
    std::filesystem::path root = kDefaultRoot;
    std::vector<std::string> command = {}; // what followed "--": another program's words
};

Result<void> enter_session_netns(const Session& session);

// For commands that change things. Prints what it warns of.
Result<Change> begin_change(const Session& session);

// To read: an absent store is an empty one.
Result<Store> open_for_reading(const Session& session);

// The first of them, and how many more there are.
void print_warnings(const Session& session, const std::vector<Warning>& warnings);
// Unless it is empty.
void print_note(const Session& session, const std::string& note);

} // namespace bpfport
