// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Accounts of users, and becoming one: for good, without privileges to come back.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace bpfport {

struct Account {
    uid_t uid = 0;
    gid_t gid = 0;
    std::string name, home, shell; // empty for an id without an entry
    std::vector<gid_t> groups;
};

// A name or an id.
Result<Account> find_account(std::string_view text);

// The calling user: the one behind sudo or doas, else the real user of this process. Root without sudo
// tells no user: an error.
Result<Account> calling_account();

// Groups, user, HOME and USER; every capability set is empty afterwards unless it is root.
Result<void> become(const Account& account);

} // namespace bpfport
