// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Real servers that choose what they do by the port that getsockname(2) says: Apache its virtual
// host, and whether to speak TLS; ProFTPD the port that active transfers come from.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "harness/sweep.hpp"
#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

namespace fs = std::filesystem;

constexpr auto kApache = R"(
ServerRoot {0}
PidFile {0}/pid
ErrorLog {0}/log
ServerName service.test
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule socache_shmcb_module /usr/lib/apache2/modules/mod_socache_shmcb.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
Mutex file:{0} default
SSLSessionCache none
StartServers 1
Listen 3000
Listen 3443
DocumentRoot {0}/other
<VirtualHost *:3000>
  DocumentRoot {0}/site
</VirtualHost>
<VirtualHost *:3443>
  DocumentRoot {0}/site
  SSLEngine on
  SSLCertificateFile {0}/cert
  SSLCertificateKeyFile {0}/key
</VirtualHost>
)";

constexpr auto kProftpd = R"(
ServerType standalone
DefaultServer on
Port 2121
UseIPv6 on
User nobody
Group nogroup
PidFile {0}/pid
ScoreboardFile {0}/scores
DelayEngine off
WtmpLog off
SystemLog {0}/log
TransferLog none
UseReverseDNS off
AuthOrder mod_auth_file.c
AuthUserFile {0}/users
RequireValidShell off
)";

// "secret", as `openssl passwd -1` has it.
constexpr auto kProftpdUsers =
    "ftp:$1$bpfport$l8rjyt96Tv.KIfzJqrigK.:65534:65534::{0}/site:/bin/false\n";

class PortPrograms : public EveryEngine {
  protected:
    void SetUp() override {
        EveryEngine::SetUp();
        if (IsSkipped()) return;
        REQUIRE_PROGRAM("curl");
        directory_ = fs::temp_directory_path() / unique_name();
        fs::create_directories(directory_ / "site");
        fs::create_directories(directory_ / "other");
        std::ofstream(directory_ / "site/page") << "right";
        std::ofstream(directory_ / "other/page") << "wrong host";
    }
    void TearDown() override {
        std::error_code ignored;
        fs::remove_all(directory_, ignored);
    }
    // The configuration, in a directory that is nobody's.
    std::string configure(const char* text) {
        std::ofstream(directory_ / "conf") << fmt::format(fmt::runtime(text), directory_.native());
        EXPECT_EQ(::chown(directory_.c_str(), kNobody, kNobody), 0);
        for (const auto& entry : fs::recursive_directory_iterator(directory_))
            EXPECT_EQ(::chown(entry.path().c_str(), kNobody, kNobody), 0);
        return directory_ / "conf";
    }
    std::string log() {
        std::ifstream in(directory_ / "log");
        return {std::istreambuf_iterator<char>(in), {}};
    }
    static std::string curl(const Netns& netns, std::vector<std::string> words) {
        words.insert(words.begin(), {"curl", "-sS", "-k", "-g", "--max-time", "10"});
        auto done = run(words, {.netns = &netns});
        return done.out + done.err;
    }

    fs::path directory_;
};
INSTANTIATE_TEST_SUITE_P(, PortPrograms, testing::Values("tc", "xdp", "sklookup", "auto"),
                         engine_param);

TEST_P(PortPrograms, ApacheChoosesTheHostAndTlsByPort) {
    REQUIRE_PROGRAM("apache2");
    REQUIRE_PROGRAM("openssl");
    auto made = run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=service.test", "-keyout",
                     directory_ / "key", "-out", directory_ / "cert"});
    ASSERT_EQ(made.status, 0) << made.err;
    const ClientServer net;
    Process apache({"apache2", "-f", configure(kApache), "-X"},
                   {.netns = &net.server, .uid = kNobody});
    ASSERT_TRUE(wait_for_port(net.server, 3443)) << apache.stop().err << log();
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000 443:3443")));
    for (const Netns* from : {&net.client, &net.server})
        for (const std::string host : {"10.1.0.2", "[fd01::2]"}) {
            EXPECT_EQ(curl(*from, {"http://" + host + "/page"}), "right");
            EXPECT_EQ(curl(*from, {"https://" + host + "/page"}), "right");
        }
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_P(PortPrograms, ProftpdSendsFromThePortBelow) {
    REQUIRE_PROGRAM("proftpd");
    const ClientServer net;
    std::ofstream(directory_ / "users") << fmt::format(kProftpdUsers, directory_.native());
    fs::permissions(directory_ / "users", fs::perms::owner_read | fs::perms::owner_write);
    Process proftpd({"proftpd", "-n", "-q", "-c", configure(kProftpd)},
                    {.netns = &net.server, .uid = kNobody});
    ASSERT_TRUE(wait_for_port(net.server, 2121)) << proftpd.stop().err << log();
    ASSERT_TRUE(works(net.server, attach("eth0 21:2121")));
    for (const std::string host : {"10.1.0.2", "[fd01::2]"}) {
        const std::string page = "ftp://ftp:secret@" + host + "/page";
        EXPECT_EQ(curl(net.client, {"-P", "-", page}), "right") << "active";
        EXPECT_EQ(curl(net.client, {page}), "right") << "passive";
    }
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

} // namespace
} // namespace bpfport::test
