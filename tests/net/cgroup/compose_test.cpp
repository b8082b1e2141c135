// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A cgroup's rule with what else there is: programs of others on the same hooks, other hosts'
// ports, a rule on an interface.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <fcntl.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "kernel/bpf.hpp"
#include "net/cgroup_fixture.hpp"
#include "state/store.hpp"

namespace bpfport::test {
namespace {

// bind() to this port is denied; every other port is let pass.
Fd load_denial(std::uint16_t port) {
    const bpf_insn program[] = {
        {BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1, offsetof(bpf_sock_addr, user_port), 0},
        {BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1},
        {BPF_JMP | BPF_JNE | BPF_K, BPF_REG_2, 0, 1, htons(port)},
        {BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0},
        {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
    };
    LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_CGROUP_INET4_BIND);
    return Fd(::bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "denial", "GPL", program,
                              std::size(program), &options));
}

class CgroupCompose : public CgroupTest {
  protected:
    void SetUp() override {
        CgroupTest::SetUp();
        if (IsSkipped()) return;
        REQUIRE_RULES();
        directory_ = Fd(::open(cgroup->path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        program_ = load_denial(3085);
        ASSERT_TRUE(program_) << error_text(errno);
    }
    [[nodiscard]] int bind(std::uint16_t port) const {
        return bind_errno(*netns, {cgroup.get(), kNobody, {"127.0.0.1", port}});
    }
    Fd directory_, program_;
};

TEST_F(CgroupCompose, ALinkOfOthers) {
    Fd link(::bpf_link_create(program_.get(), directory_.get(), BPF_CGROUP_INET4_BIND, nullptr));
    ASSERT_TRUE(link) << error_text(errno);
    must({"attach", "cgroup:" + cgroup->name(), "80:3000"});
    EXPECT_EQ(bind(80), 0);
    EXPECT_EQ(bind(3085), EPERM) << "theirs is asked, too";
    must({"detach", "cgroup:" + cgroup->name()});
    EXPECT_EQ(bind(3085), EPERM) << "and stays when ours goes";
    EXPECT_EQ(bind(80), EACCES);
}

// By unlink() alone the kernel detaches it later: after RCU's grace period, from a work queue.
TEST_F(CgroupCompose, WhatIsRemovedIsDetachedAtOnce) {
    const auto attached = [&] {
        std::uint32_t ids[8] = {};
        std::uint32_t count = std::size(ids);
        EXPECT_EQ(
            ::bpf_prog_query(directory_.get(), BPF_CGROUP_INET4_BIND, 0, nullptr, ids, &count), 0);
        return count;
    };
    const std::filesystem::path root = fmt::format("/sys/fs/bpf/bpt-removed-{}", ::getpid());
    auto store = Store::open(root, Store::Access::kChange);
    ASSERT_TRUE(store) << store.error().message;
    for (int round = 0; round < 5; ++round) {
        auto staging = store->stage();
        ASSERT_TRUE(staging) << staging.error().message;
        Fd link(
            ::bpf_link_create(program_.get(), directory_.get(), BPF_CGROUP_INET4_BIND, nullptr));
        ASSERT_TRUE(link) << error_text(errno);
        ASSERT_TRUE(pin(link, staging->path() / "link"));
        link = Fd(); // the pin keeps it
        ASSERT_TRUE(staging->publish("one"));
        EXPECT_EQ(attached(), 1U);
        ASSERT_TRUE(store->remove("one"));
        EXPECT_EQ(attached(), 0U);
    }
    std::filesystem::remove(root);
}

TEST_F(CgroupCompose, AProgramThatSharesTheHook) {
    ASSERT_EQ(::bpf_prog_attach(program_.get(), directory_.get(), BPF_CGROUP_INET4_BIND,
                                BPF_F_ALLOW_MULTI),
              0)
        << error_text(errno);
    must({"attach", "cgroup:" + cgroup->name(), "80:3000"});
    EXPECT_EQ(bind(80), 0);
    EXPECT_EQ(bind(3085), EPERM);
    must({"detach", "cgroup:" + cgroup->name()});
    EXPECT_EQ(bind(3085), EPERM);
}

TEST_F(CgroupCompose, OneThatIsForItselfAloneIsNamed) {
    ASSERT_EQ(::bpf_prog_attach(program_.get(), directory_.get(), BPF_CGROUP_INET4_BIND, 0), 0)
        << error_text(errno);
    auto refused = bp({"attach", "cgroup:" + cgroup->name(), "80:3000"});
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.err, HasSubstr("bpftool cgroup tree"));
    EXPECT_EQ(entries(), "") << "all or nothing";
}

class CgroupAndHosts : public CgroupTest {
  protected:
    void SetUp() override {
        CgroupTest::SetUp();
        if (IsSkipped()) return;
        REQUIRE_RULES();
        net_ = std::make_unique<ClientServer>();
    }
    void TearDown() override {
        server_.reset();
        CgroupTest::TearDown();
        net_.reset();
    }
    void attach(const std::string& scope, const std::string& rule) const {
        auto done = bpfport(net_->server, {"attach", scope, rule});
        EXPECT_EQ(done.status, 0) << done.err;
    }
    std::unique_ptr<ClientServer> net_;
    std::unique_ptr<TcpServer> server_;
};

TEST_F(CgroupAndHosts, ConnectsToOtherHostsAreLeftAlone) {
    const TcpServer there(net_->client, {"::", 80});
    const UdpServer datagrams(net_->client, {"::", 80});
    attach("cgroup:" + cgroup->name(), "80:3000/tcp+udp");
    for (bool ipv6 : {false, true})
        for (bool inside : {false, true}) {
            SCOPED_TRACE(std::string(ipv6 ? "v6" : "v4") + (inside ? " inside" : " outside"));
            std::unique_ptr<InCgroup> in = inside ? std::make_unique<InCgroup>(*cgroup) : nullptr;
            const Endpoint at{ClientServer::client_address(ipv6), 80};
            auto client = TcpClient::connect(net_->server, at);
            ASSERT_TRUE(client) << client.error().message;
            EXPECT_EQ(client->echo("hello").value_or(""), "hello");
            EXPECT_EQ(client->peer().port, 80);
            auto loose = UdpClient::open(net_->server, ipv6);
            ASSERT_TRUE(loose && loose->send_to(at, "question"));
            auto answer = loose->receive();
            ASSERT_TRUE(answer) << answer.error().message;
            EXPECT_EQ(answer->from.port, 80);
        }
}

TEST_F(CgroupAndHosts, AnInterfacesRuleServesThem) {
    attach("cgroup:" + cgroup->name(), "80:3000");
    {
        InCgroup inside(*cgroup);
        server_ = std::make_unique<TcpServer>(net_->server, Endpoint{"::", 80});
    }
    attach("eth0", "80:3000");
    for (bool ipv6 : {false, true})
        for (const Netns* from : {&net_->client, &net_->server}) {
            auto client = TcpClient::connect(*from, {ClientServer::server_address(ipv6), 80});
            ASSERT_TRUE(client) << client.error().message;
            EXPECT_EQ(client->echo("hello").value_or(""), "hello");
            EXPECT_EQ(client->peer().port, 80);
            EXPECT_EQ(server_->seen().back().local.port, 80);
        }
}

} // namespace
} // namespace bpfport::test
