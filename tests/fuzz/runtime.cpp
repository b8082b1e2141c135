// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What container runtimes note of a container in files of their own (JSON; containerd: a number):
// the input as each of those files.
#include <filesystem>
#include <fstream>

#include "fuzz.hpp"
#include "kernel/container_note.hpp"

namespace bpfport {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFiles[] = {
    "run/crun/web/status",
    "run/runc/web/state.json",
    "run/containerd/io.containerd.runtime.v2.task/default/web/init.pid",
    "var/lib/docker/containers/4f1c/config.v2.json",
    "var/lib/containers/storage/overlay-containers/containers.json",
};

// A root directory for each of the files, in TMPDIR, gone when the process ends (or with run.sh).
struct Roots {
    Roots() : base(fs::temp_directory_path() / "runtime-XXXXXX") {
        require(mkdtemp(base.data()) != nullptr, "make a directory");
        for (std::size_t i = 0; i < std::size(kFiles); i++)
            fs::create_directories(path(i).parent_path());
    }
    ~Roots() {
        std::error_code ignored;
        fs::remove_all(base, ignored);
    }
    [[nodiscard]] fs::path root(std::size_t i) const { return fs::path(base) / std::to_string(i); }
    [[nodiscard]] fs::path path(std::size_t i) const { return root(i) / kFiles[i]; }
    std::string base;
};

} // namespace

void fuzz(Bytes input) {
    static Roots roots;
    auto text = text_of(input);
    for (std::size_t i = 0; i < std::size(kFiles); i++) {
        std::ofstream(roots.path(i)).write(text.data(), static_cast<std::streamsize>(text.size()));
        if (auto note = container_note(roots.root(i), "web"))
            require(note->pid >= 0, "a process has an id, or is not known", text);
    }
}

} // namespace bpfport
