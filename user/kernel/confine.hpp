// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What a command that root started for another user must not be able to do although its user id is
// another: reach root through the terminal, through keys, through set-user-id files.
#pragma once

#include "base/error.hpp"

namespace bpfport {

// No ioctl that types into a terminal (TIOCSTI) or pastes into a console (TIOCLINUX): the terminal is
// still that of root's shell. For this process and all that it starts.
Result<void> forbid_terminal_input();

// An empty session keyring; the one there is holds the caller's keys. To be called as the user.
Result<void> join_new_session_keyring();

// Neither set-user-id files nor file capabilities have an effect any more. Before the user changes.
Result<void> forbid_new_privileges();

// Closes what the caller had open from 3 on.
void close_inherited();

} // namespace bpfport
