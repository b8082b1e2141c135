// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "harness/test_run.hpp"

#include <utility>

#include <bpf/bpf.h>

#include <fmt/format.h>

namespace bpfport::test {

Result<TestRun> test_run(int program, const Bytes& frame, const TestRunOptions& options) {
    constexpr std::size_t kRoomToGrow = 512;
    TestRun run;
    run.frame.resize(frame.size() + kRoomToGrow);
    xdp_md xdp = options.xdp.value_or(xdp_md{});
    __sk_buff skb = options.skb.value_or(__sk_buff{});

    LIBBPF_OPTS(bpf_test_run_opts, opts);
    opts.data_in = frame.data();
    opts.data_size_in = static_cast<__u32>(frame.size());
    if ((options.flags & BPF_F_TEST_XDP_LIVE_FRAMES) == 0) { // those go where they go
        opts.data_out = run.frame.data();
        opts.data_size_out = static_cast<__u32>(run.frame.size());
    }
    opts.repeat = static_cast<int>(options.repeat);
    opts.flags = options.flags;
    if (options.skb) {
        opts.ctx_in = &skb;
        opts.ctx_size_in = sizeof(skb);
        opts.ctx_out = &run.skb;
        opts.ctx_size_out = sizeof(run.skb);
    } else if (options.xdp) {
        xdp.data = 0;
        xdp.data_end = static_cast<__u32>(frame.size());
        opts.ctx_in = &xdp;
        opts.ctx_size_in = sizeof(xdp);
    }
    int error = bpf_prog_test_run_opts(program, &opts);
    if (error == -EINVAL && std::exchange(skb.ingress_ifindex, 0) != 0)
        error = bpf_prog_test_run_opts(program, &opts); // before 5.15 it may not be said
    if (error != 0)
        return system_error(fmt::format("test run of a {}-byte frame", frame.size()), -error);

    run.action = static_cast<std::int32_t>(opts.retval);
    run.duration_ns = opts.duration;
    run.frame.resize(opts.data_size_out);
    return run;
}

} // namespace bpfport::test
