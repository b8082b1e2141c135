// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/confine.hpp"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernel/privileges.hpp"

namespace bpfport {

namespace {

// The number of ioctl(2) in every set of system calls that this machine's processes may use.
struct Calls {
    std::uint32_t architecture;
    std::uint32_t ioctl;
};
constexpr Calls kCalls[] = {
#if defined(__x86_64__)
    {AUDIT_ARCH_X86_64, 16},
    {AUDIT_ARCH_X86_64, 0x40000000U | 514}, // x32
    {AUDIT_ARCH_I386, 54},
#elif defined(__aarch64__)
    {AUDIT_ARCH_AARCH64, 29},
    {AUDIT_ARCH_ARM, 54},
#elif defined(__s390x__)
    {AUDIT_ARCH_S390X, 54},
    {AUDIT_ARCH_S390, 54},
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    {AUDIT_ARCH_PPC64LE, 54},
#elif defined(__riscv)
    {AUDIT_ARCH_RISCV64, 29},
#endif
};

constexpr std::uint32_t low_half(std::uint32_t offset) {
    return offset + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0);
}

sock_filter statement(unsigned code, std::uint32_t value) {
    return {static_cast<std::uint16_t>(code), 0, 0, value};
}

sock_filter jump_if_equal(std::uint32_t value, std::uint8_t yes, std::uint8_t no) {
    return {BPF_JMP | BPF_JEQ | BPF_K, yes, no, value};
}

} // namespace

Result<void> forbid_terminal_input() {
    constexpr std::uint32_t kTiocLinux = 0x541c; // asm-generic: TIOCLINUX
    std::vector<sock_filter> code;
    for (const auto& [architecture, ioctl] : kCalls) {
        // Each ends in a verdict or goes on behind its eight instructions.
        code.push_back(statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)));
        code.push_back(jump_if_equal(architecture, 0, 6));
        code.push_back(statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
        code.push_back(jump_if_equal(ioctl, 0, 4));
        code.push_back(
            statement(BPF_LD | BPF_W | BPF_ABS, low_half(offsetof(seccomp_data, args[1]))));
        code.push_back(jump_if_equal(TIOCSTI, 1, 0));
        code.push_back(jump_if_equal(kTiocLinux, 0, 1));
        code.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM));
    }
    code.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
        return system_error("forbid typing into the terminal (seccomp)", errno,
                            "needs a kernel with CONFIG_SECCOMP_FILTER, and CAP_SYS_ADMIN with "
                            "--keep-setuid");
    return {};
}

Result<void> join_new_session_keyring() {
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr, 0, 0, 0) < 0 && errno != ENOSYS)
        return system_error("make a session keyring");
    return {};
}

Result<void> forbid_new_privileges() {
    if (auto emptied = empty_bounding_set(); !emptied) return emptied;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return system_error("set no_new_privs");
    return {};
}

void close_inherited() { syscall(SYS_close_range, 3U, ~0U, 0U); }

} // namespace bpfport
