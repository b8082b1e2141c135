// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The maps of a network namespace are created from maps.bpf.c, and the programs of every object run over
// them: each object must mean the same maps.
#include <memory>
#include <string>

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/instance_maps.hpp"

namespace bpfport::test {
namespace {

struct Close {
    void operator()(bpf_object* object) const { bpf_object__close(object); }
};
using Opened = std::unique_ptr<bpf_object, Close>;

Opened open(const std::string& name) {
    return Opened(
        bpf_object__open_file(fmt::format("{}/{}.bpf.o", BPFPORT_OBJECTS, name).c_str(), nullptr));
}

std::string shape(const bpf_map* map) {
    return fmt::format("{} type {} key {} value {} entries {} flags {:#x}", bpf_map__name(map),
                       static_cast<int>(bpf_map__type(map)), bpf_map__key_size(map),
                       bpf_map__value_size(map), bpf_map__max_entries(map),
                       bpf_map__map_flags(map));
}

const bpf_map* of_pin(const bpf_object* object, const std::string& pin) {
    const bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) {
        const char* other = instance_pin(map);
        if (other && pin == other) return map;
    }
    return nullptr;
}

class Maps : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(, Maps,
                         testing::Values("tc_direct", "tc_helper", "xdp", "sklookup", "exclusive"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(Maps, AreThoseThatTheObjectShares) {
    const Opened made = open("maps");
    const Opened used = open(GetParam());
    ASSERT_TRUE(made && used);
    int shared = 0;
    const bpf_map* map = nullptr;
    bpf_object__for_each_map(map, used.get()) {
        const char* pin = instance_pin(map);
        if (!pin) continue;
        shared++;
        const bpf_map* same = of_pin(made.get(), pin);
        ASSERT_TRUE(same) << pin;
        // The table is a global: its map's name begins with the object's.
        const auto from = [](const std::string& text) { return text.substr(text.find(" type")); };
        EXPECT_EQ(from(shape(map)), from(shape(same))) << pin;
    }
    EXPECT_GT(shared, 0);
}

} // namespace
} // namespace bpfport::test
