// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What tests make outside their own process carries a name `bpt-<pid>-<n>`: namespaces, cgroups;
// bpfport's state is in bp-test-<pid>. So tests share a kernel and never see each other.
// A test that was killed can't clean up, so the next one does: what bears a dead process's id is
// removed, with the processes left inside. A process id in use again is told apart by a lock.
#pragma once

#include <string>

namespace bpfport::test {

// A name that no other object of this or of any living test has. The first call sweeps.
std::string unique_name();

// Where this test's bpfport keeps its state: /sys/fs/bpf/bp-test-<pid>. Made by bpfport when it
// needs it, removed when the test ends.
const std::string& state_root();

// Removes what dead tests left: processes in their namespaces and cgroups, the namespaces, the
// cgroups, and the state roots.
void sweep();

// Ends the processes whose network namespace has this inode. Only for namespaces of tests.
void kill_processes_in_netns(unsigned long inode);

// Removes a namespace's name and mount, and a cgroup with all in it.
void remove_netns(const std::string& name);
void remove_cgroup(const std::string& path);

} // namespace bpfport::test
