// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the tests of policy files share: a file, an entry's text, and `bpfport apply`.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "net/fixture.hpp"

namespace bpfport::test {

// A file with this text while it lives.
class PolicyText {
  public:
    explicit PolicyText(const std::string& text) {
        std::string name = testing::TempDir() + "policyXXXXXX";
        const Fd fd(::mkstemp(name.data()));
        name_ = name;
        write(text);
    }
    PolicyText(const PolicyText&) = delete;
    PolicyText& operator=(const PolicyText&) = delete;
    ~PolicyText() { ::unlink(name_.c_str()); }
    void write(const std::string& text) const { std::ofstream(name_) << text; }
    [[nodiscard]] const std::string& name() const { return name_; }

  private:
    std::string name_;
};

inline std::string entry(const std::string& name, const std::string& rules,
                         const std::string& options = "") {
    return fmt::format("[[interface]]\nname = \"{}\"\nrules = [{}]\n{}\n", name, rules, options);
}

inline ProcessResult apply(const Netns& netns, const PolicyText& file,
                           std::vector<std::string> options = {}) {
    options.insert(options.begin(), {"apply", file.name()});
    return bpfport(netns, std::move(options));
}

} // namespace bpfport::test
