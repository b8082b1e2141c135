// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Random frames with ports that many rules share, by local address and by client.
#include "prog/property.hpp"
#include "rule/rule.hpp"

namespace bpfport::test {
namespace {

class RandomShared : public Random {
  protected:
    void set_rules() override {
        using Prefix = OraclePrefix;
        // The most special first, as the oracle searches them.
        struct {
            const char* text;
            OracleRule rule;
        } const all[] = {
            {"192.0.2.2:80:3000@192.0.2.1",
             {.local = Prefix{"192.0.2.2"}, .clients = {{"192.0.2.1"}}}},
            {"192.0.2.2:80:3002", {.local = Prefix{"192.0.2.2"}}},
            {"192.0.2.0/24:80:3003@-192.0.2.7",
             {.local = Prefix{"192.0.2.0", 24}, .not_clients = {{"192.0.2.7"}}}},
            {"[2001:db8::2]:80:3004@2001:db8::/126",
             {.local = Prefix{"2001:db8::2"}, .clients = {{"2001:db8::", 126}}}},
            {"80:3001", {}},
            {"[2001:db8::/64]:80:3000/udp@2001:db8::7",
             {.local = Prefix{"2001:db8::", 64}, .clients = {{"2001:db8::7"}}}},
            {"80:3002/udp@192.0.2.0/24", {.clients = {{"192.0.2.0", 24}}}},
            {"443:8443@192.0.2.1,2001:db8::7",
             {.clients = {{"192.0.2.1"}, {"2001:db8::7"}}, .only = true}},
            {"8000-8010:=18000", {.one_target = true}},
            {"53:5353/udp", {.only = true}},
        };
        std::vector<std::string> texts;
        std::vector<OracleRule> rules;
        for (const auto& [text, said] : all) {
            const auto parsed = parse_rules(text).value().front();
            OracleRule rule = said;
            rule.udp = parsed.protocol() == Protocol::kUdp;
            rule.listen_first = parsed.listen().first;
            rule.listen_last = parsed.listen().last;
            rule.target_first = parsed.target().first;
            texts.emplace_back(text);
            rules.push_back(std::move(rule));
        }
        for (unsigned i = 0; i < 300; i++) // of other addresses
            texts.push_back(
                fmt::format("10.0.{}.{}:80:4000{}", i / 200, i % 200, i % 2 ? "" : "/udp"));
        std::vector<LabRule> set;
        for (const auto& text : texts) set.push_back({text});
        lab().rules(set);
        oracle_ = Oracle(std::move(rules), own_mac());
    }
};

TEST_P(RandomShared, FramesDoAsTheOracleSays) {
    all_as_the_oracle_says(from_environment("BPFPORT_FRAMES", 1000000) / 2, "80:3001");
}

BOTH_OBJECTS(RandomShared);

} // namespace
} // namespace bpfport::test
