// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Metrics: snapshots as Prometheus metric families. The one model of what is exported; `metrics` and
// `exporter` both hand it to prometheus-cpp's serializer. docs/metrics.md lists every family.
//
// Cardinality is bounded: a series for each rule, up to a limit, and family, never one for a client, a port of a
// range or a process. Rules beyond the limit are summed: rule="other", scope="other", by protocol and engine. A
// value the kernel or the engine can't tell has no series.
#pragma once

#include <cstddef>
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

    static constexpr unsigned kPerRule = 1000;
    static constexpr unsigned kMostPerRule = 20000;

    // What is known without a snapshot. `per_rule`: rules of a namespace that have series of their own.
    explicit Metrics(unsigned per_rule = kPerRule);

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
    struct RuleSeries;
    void add_rule(const RuleSeries& series, const std::string& rule, const std::string& scope,
                  const Labels& place);
    void add_hooks(const Snapshot& snapshot, const Labels& place);
    void add_shared(const Snapshot& snapshot, const Labels& place);
    void sample(std::size_t family, double value, Labels labels, const Labels& more = {});

    unsigned per_rule_;
    std::vector<std::vector<prometheus::ClientMetric>> series_; // by family
};

// The text exposition format.
std::string metrics_text(const std::vector<prometheus::MetricFamily>& families);

} // namespace bpfport
