// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Included first by every BPF object (BpfObject.cmake): the object says itself what compiled it, for
// the error of a kernel that refuses it. A symbol's name, because clang writes no .comment for this
// target, and libbpf and bpftool warn of sections that they don't know.
__asm__(".set \"bpfport compiler: " __VERSION__ "\", 0");
