// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "net/containers.hpp"

#include <filesystem>
#include <fstream>
#include <utility>

#include <fmt/format.h>

#include "harness/sweep.hpp"

namespace bpfport::test {

namespace fs = std::filesystem;
using Json = nlohmann::json;

Containers::Containers(const Netns& netns, const Cgroup& cgroup, std::string notes)
    : netns_(netns), cgroup_(cgroup), directory_("/tmp/" + unique_name()),
      notes_(notes.empty() ? directory_ + "/state" : std::move(notes)) {
    for (const char* place : {"bin", "proc", "www", "dev", "sys"})
        fs::create_directories(directory_ + "/root/" + place);
    fs::copy("/bin/busybox", directory_ + "/root/bin/busybox");
    std::ofstream(directory_ + "/root/www/index.html") << "hello\n";
}

Containers::~Containers() {
    for (const auto& name : names_) remove(name);
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
}

std::string Containers::bundle(const std::string& name) const { return directory_ + "/" + name; }

void Containers::make(const std::string& name, const Json& more) {
    Json config = {{"ociVersion", "1.0.2"},
                   {"process",
                    {{"user", {{"uid", 65534}, {"gid", 65534}}},
                     {"cwd", "/"},
                     {"noNewPrivileges", true},
                     {"capabilities",
                      {{"bounding", Json::array()},
                       {"effective", Json::array()},
                       {"permitted", Json::array()},
                       {"inheritable", Json::array()},
                       {"ambient", Json::array()}}}}},
                   {"root", {{"path", directory_ + "/root"}, {"readonly", true}}},
                   {"hostname", name},
                   {"linux", {{"cgroupsPath", cgroup_.name() + "/" + name}}}};
    for (const char* type : {"pid", "mount", "ipc", "uts"}) // and no network: the host's
        config["linux"]["namespaces"].push_back({{"type", type}});
    config["mounts"].push_back({{"destination", "/proc"}, {"type", "proc"}, {"source", "proc"}});
    config.merge_patch(more);
    fs::create_directories(bundle(name));
    std::ofstream(bundle(name) + "/config.json") << config;
    names_.push_back(name);
}

// crun takes /sys/fs/cgroup for the hierarchy; on a host with both versions that is true only in a mount
// namespace of its own.
std::vector<std::string> Containers::command(const std::string& words) const {
    return {"unshare", "-m", "sh", "-c",
            fmt::format("[ $(stat -f -c %t /sys/fs/cgroup) = 63677270 ] || "
                        "mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec crun --root {} "
                        "--cgroup-manager=cgroupfs {}",
                        notes_, words)};
}

Process Containers::start(const std::string& name) const {
    return Process(command(fmt::format("run --bundle {} {}", bundle(name), name)),
                   {.netns = &netns_});
}

ProcessResult Containers::crun(const std::string& words) const {
    return run(command(words), {.netns = &netns_});
}

ProcessResult Containers::run_detached(const std::string& name) const {
    return crun(fmt::format("run --detach --bundle {} {}", bundle(name), name));
}

ProcessResult Containers::remove(const std::string& name) const {
    return crun("delete --force " + name);
}

std::string http_status(const Netns& netns, std::uint16_t port) {
    return run({"curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}",
                fmt::format("http://127.0.0.1:{}/", port)},
               {.netns = &netns})
        .out;
}

} // namespace bpfport::test
