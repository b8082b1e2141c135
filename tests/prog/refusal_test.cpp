// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Each way in which a kernel refuses an object, by doing it: LoadFailure tells them apart.
#include <sys/capability.h>

#include <future>
#include <memory>

#include "harness/environment.hpp"
#include "kernel/object.hpp"
#include "refusal_helper.skel.h"
#include "refusal_kfunc.skel.h"
#include "refusal_map_size.skel.h"
#include "refusal_map_type.skel.h"
#include "refusal_packet.skel.h"

#include <gmock/gmock.h>

namespace bpfport::test {
namespace {

using testing::HasSubstr;

template <typename Skeleton> LoadFailure failure_of() {
    auto object = Object<Skeleton>::open();
    if (!object) throw std::runtime_error(object.error().message);
    auto loaded = object->load();
    if (loaded) throw std::runtime_error("it was loaded");
    return loaded.error();
}

template <typename Skeleton> std::string reason_of() { return failure_of<Skeleton>().reason; }

// No effective capabilities while it lives.
class Unprivileged {
  public:
    Unprivileged() {
        std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)> none(cap_dup(had_.get()),
                                                                           cap_free);
        cap_clear_flag(none.get(), CAP_EFFECTIVE);
        cap_set_proc(none.get());
    }
    ~Unprivileged() { cap_set_proc(had_.get()); }
    Unprivileged(const Unprivileged&) = delete;
    Unprivileged& operator=(const Unprivileged&) = delete;

  private:
    std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)> had_{cap_get_proc(), cap_free};
};

TEST(Refusal, AnUnsafeProgram) {
    REQUIRE_ROOT();
    const auto failure = failure_of<refusal_packet_bpf>();
    EXPECT_EQ(failure.refusal, LoadRefusal::kVerifier);
    EXPECT_EQ(failure.object, "refusal_packet");
    EXPECT_EQ(failure.part, "program bp_refusal");
    if (kernel_at_least(6, 19)) // seen in 7.2
        EXPECT_THAT(failure.reason, AnyOf(HasSubstr("outside of the packet"),
                                          HasSubstr("outside of the allowed memory range")));
    else
        EXPECT_THAT(failure.reason, HasSubstr("outside of the packet"));
    EXPECT_THAT(failure.detail, HasSubstr("= *(u8 *)(r")); // the instruction
    EXPECT_THAT(failure.detail, HasSubstr("[100]"));       // the source
    EXPECT_THAT(failure.compiler, HasSubstr("lang "));
    const auto error = failure.error();
    EXPECT_THAT(error.hint, HasSubstr(failure.compiler));
    EXPECT_THAT(error.hint, HasSubstr("another clang"));
    EXPECT_THAT(error.hint, HasSubstr("Linux "));
}

// Two objects are loaded at once by two threads; neither log has the other's words.
TEST(Refusal, EachThreadHasALogOfItsOwn) {
    REQUIRE_ROOT();
    auto unsafe = std::async(std::launch::async, [] {
        for (int i = 0; i < 30; i++)
            EXPECT_EQ(reason_of<refusal_packet_bpf>().find("9999"), std::string::npos) << i;
    });
    for (int i = 0; i < 30; i++)
        EXPECT_THAT(reason_of<refusal_helper_bpf>(), HasSubstr("9999")) << i;
    unsafe.get();
}

TEST(Refusal, AHelperThatTheKernelLacks) {
    REQUIRE_ROOT();
    const auto failure = failure_of<refusal_helper_bpf>();
    EXPECT_EQ(failure.refusal, LoadRefusal::kFeature) << failure.error().message;
    EXPECT_THAT(failure.error().message, HasSubstr("program bp_refusal"));
    EXPECT_THAT(failure.reason, HasSubstr("9999"));
}

TEST(Refusal, AKernelFunctionThatTheKernelLacks) {
    REQUIRE_ROOT();
    const auto failure = failure_of<refusal_kfunc_bpf>();
    if (::access("/sys/kernel/btf/vmlinux", R_OK) != 0)
        EXPECT_EQ(failure.refusal, LoadRefusal::kNoBtf);
    else
        EXPECT_THAT(failure.error().message, HasSubstr("bp_no_such_kfunc"));
    EXPECT_NE(failure.refusal, LoadRefusal::kVerifier) << failure.error().message;
}

TEST(Refusal, AMapTypeThatTheKernelLacks) {
    REQUIRE_ROOT();
    const auto failure = failure_of<refusal_map_type_bpf>();
    EXPECT_EQ(failure.refusal, LoadRefusal::kFeature) << failure.error().message;
    EXPECT_EQ(failure.part, "map bp_map");
}

TEST(Refusal, MoreMemoryThanThereIs) {
    REQUIRE_ROOT();
    const auto failure = failure_of<refusal_map_size_bpf>();
    EXPECT_EQ(failure.refusal, LoadRefusal::kMemory) << failure.error().message;
    EXPECT_EQ(failure.part, "map bp_map");
    EXPECT_THAT(failure.error().hint, HasSubstr("memory.max"));
}

TEST(Refusal, AMissingCapability) {
    REQUIRE_ROOT();
    LoadFailure failure;
    Error error;
    {
        const Unprivileged unprivileged;
        failure = failure_of<refusal_packet_bpf>();
        error = failure.error();
    }
    EXPECT_EQ(failure.refusal, LoadRefusal::kPrivilege) << error.message;
    EXPECT_THAT(error.hint, HasSubstr("CAP_BPF"));
}

} // namespace
} // namespace bpfport::test
