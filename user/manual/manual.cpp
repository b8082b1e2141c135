// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "manual/manual.hpp"

#include <fstream>
#include <system_error>

#include <fmt/format.h>

#include "manual/completion.hpp"

namespace bpfport {

namespace fs = std::filesystem;

std::map<fs::path, std::string> manual_files(const Edition& edition) {
    const CommandText app = command_text();
    std::map<fs::path, std::string> files = {
        {fmt::format("man/man8/{}.8", app.name), man_page(app, edition)},
        {fmt::format("man/man7/{}.7", app.name), man_page(app, topics(), edition)},
        {fmt::format("bash/{}", app.name), bash_completion(app)},
        {fmt::format("zsh/_{}", app.name), zsh_completion(app)},
        {fmt::format("fish/{}.fish", app.name), fish_completion(app)}};
    for (const auto& command : app.commands)
        files[fmt::format("man/man8/{}-{}.8", app.name, command.name)] =
            man_page(app, command, edition);
    return files;
}

Result<void> write_manual(const fs::path& directory, const Edition& edition) {
    std::error_code error;
    fs::remove_all(directory, error);
    if (error) return system_error("remove " + directory.string(), error.value());
    for (const auto& [name, text] : manual_files(edition)) {
        const fs::path path = directory / name;
        fs::create_directories(path.parent_path(), error);
        if (error) return system_error("make " + path.parent_path().string(), error.value());
        std::ofstream file(path);
        file << text;
        if (!file.flush()) return system_error("write " + path.string());
    }
    return {};
}

} // namespace bpfport
