// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Programs of others, unmodified and unprivileged, on "port 80": under a grant, where
// they really have it, and under a rule, where they only think so.

#include <filesystem>
#include <fstream>

#include "net/cgroup_fixture.hpp"

namespace bpfport::test {
namespace {

namespace fs = std::filesystem;

struct ProgramCase {
    const char* name;
    const char* program;
    std::vector<std::string> command; // @ stands for the test's directory
    std::vector<std::string> ask;     // what gets an answer
    bool udp = false;
    std::uint16_t port = 80;
};

void PrintTo(const ProgramCase& c, std::ostream* out) { *out << c.name; }

const std::vector<std::string> kCurl{
    "curl", "-sS", "--retry", "3", "--retry-connrefused", "http://127.0.0.1/"};

std::vector<ProgramCase> programs() {
    return {
        {"nginx", "nginx", {"nginx", "-p", "@", "-c", "@/nginx.conf"}, kCurl},
        {"python", "python3", {kPython, "-m", "http.server", "80", "-d", "@/www"}, kCurl},
        {"busybox", "busybox", {"busybox", "httpd", "-f", "-p", "80", "-h", "@/www"}, kCurl},
        {"node",
         "node",
         {"node", "-e", "require('http').createServer((q,r)=>r.end('hello')).listen(80)"},
         kCurl},
        {"socat",
         "socat",
         {"socat", "TCP-LISTEN:80,fork,reuseaddr", "EXEC:cat"},
         {"sh", "-c", "echo hello | socat -t 5 - TCP:127.0.0.1:80"}},
        {"dnsmasq",
         "dnsmasq",
         {"dnsmasq", "-k", "-p", "53", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
          "--pid-file=", "--bind-interfaces", "--listen-address=127.0.0.1",
          "--address=/hello/192.0.2.80"},
         {"busybox", "nslookup", "-type=a", "hello", "127.0.0.1"},
         true,
         53},
    };
}

class CgroupProgram : public CgroupTest, public testing::WithParamInterface<ProgramCase> {
  protected:
    void SetUp() override {
        CgroupTest::SetUp();
        if (IsSkipped()) return;
        REQUIRE_PROGRAM(GetParam().program);
        REQUIRE_PROGRAM(GetParam().ask.front());
        REQUIRE_PROGRAM("setpriv");
        directory_ = "/tmp/" + unique_name();
        fs::create_directories(directory_ + "/www");
        fs::permissions(directory_, fs::perms(0777));
        std::ofstream(directory_ + "/www/index.html") << "hello\n";
        std::ofstream(directory_ + "/nginx.conf")
            << "daemon off; master_process off; pid " << directory_ << "/pid; error_log stderr;\n"
            << "events {}\nhttp { access_log off; server { listen 80; root " << directory_
            << "/www; } client_body_temp_path " << directory_ << "/1; proxy_temp_path "
            << directory_ << "/2; fastcgi_temp_path " << directory_ << "/3; uwsgi_temp_path "
            << directory_ << "/4; scgi_temp_path " << directory_ << "/5; }\n";
    }
    void TearDown() override {
        CgroupTest::TearDown();
        std::error_code ignored;
        fs::remove_all(directory_, ignored);
    }
    // As nobody, with no capability and none to be had.
    [[nodiscard]] Process start() const {
        std::vector<std::string> command{"setpriv",        "--reuid=65534",       "--regid=65534",
                                         "--clear-groups", "--bounding-set=-all", "--inh-caps=-all",
                                         "--no-new-privs"};
        for (std::string word : GetParam().command) {
            for (auto at = word.find('@'); at != std::string::npos; at = word.find('@'))
                word.replace(at, 1, directory_);
            command.push_back(word);
        }
        return Process(command, {.netns = netns.get(), .cgroup = cgroup.get()});
    }
    void expect_answer(Process& server) const {
        auto answer = run(GetParam().ask, {.netns = netns.get()});
        EXPECT_THAT(answer.out,
                    testing::AnyOf(testing::HasSubstr("hello"), testing::HasSubstr("192.0.2.80")))
            << answer.err << server.stop().err;
    }
    [[nodiscard]] std::string port(const char* suffix = "") const {
        return std::to_string(GetParam().port) + suffix + (GetParam().udp ? "/tcp+udp" : "");
    }

    std::string directory_;
};

INSTANTIATE_TEST_SUITE_P(All, CgroupProgram, testing::ValuesIn(programs()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(CgroupProgram, UnderAGrant) {
    REQUIRE_GRANTS();
    must({"grant", "cgroup:" + cgroup->name(), port()});
    Process server = start();
    ASSERT_TRUE(wait_for_port(*netns, GetParam().port, GetParam().udp)) << server.stop().err;
    expect_answer(server);
}

TEST_P(CgroupProgram, UnderARule) {
    REQUIRE_RULES();
    must({"attach", "cgroup:" + cgroup->name(), port(":3000")});
    Process server = start();
    ASSERT_TRUE(wait_for_port(*netns, 3000, GetParam().udp)) << server.stop().err;
    expect_answer(server);
}

TEST_P(CgroupProgram, WithoutUsItCantHaveThePort) {
    Process server = start();
    EXPECT_NE(server.wait().status, 0) << "it must fail, or the other tests show nothing";
}

} // namespace
} // namespace bpfport::test
