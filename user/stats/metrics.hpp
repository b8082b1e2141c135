// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Metrics: snapshots as Prometheus metric families. The one model of what is exported; `metrics` and
// `exporter` both hand it to prometheus-cpp's serializer. docs/metrics.md lists every family.
//
// Cardinality is bounded: a series for each rule (at most 511 in a netns, 64 of a cgroup) and family, never one for
// a client, a port of a range or a process. A value the kernel or the engine can't tell has no
// series.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <prometheus/metric_family.h>

#include "stats/view.hpp"

namespace bpfport {

struct FamilyInfo {
    const char* name;
    prometheus::MetricType type;
    const char* help;
};

class Metrics {
  public:
    using Labels = std::vector<prometheus::ClientMetric::Label>;

    Metrics(); // what is known without a snapshot

    // `place` is put on every series: {netns="4026531840"}, or nothing.
    void add(const View& view, const Labels& place = {});
    // They hold in all network namespaces: once for each machine.
    void add_grants(const CgroupSnapshot& snapshot);
    // Whether the kernel's state could be read.
    void set_up(bool up);

    // Those that have a series, in the order of all().
    [[nodiscard]] std::vector<prometheus::MetricFamily> families() const;

    static std::span<const FamilyInfo> all();

  private:
    void add_rule(const RuleView& rule, const Labels& place);
    void add_hooks(const Snapshot& snapshot, const Labels& place);
    void add_shared(const Snapshot& snapshot, const Labels& place);
    void sample(std::size_t family, double value, Labels labels, const Labels& more = {});

    std::vector<std::vector<prometheus::ClientMetric>> series_; // by family
};

// The text exposition format.
std::string metrics_text(const std::vector<prometheus::MetricFamily>& families);

} // namespace bpfport
