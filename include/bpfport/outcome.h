/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Outcomes: what became of a packet to or from a port of a rule, other than being redirected. An
 * enumerator is the counter's index in map `outcomes`; its label is the metric's label.
 * A packet to a port without a rule is not counted: that would cost a helper call.
 */
#ifndef BPFPORT_OUTCOME_H
#define BPFPORT_OUTCOME_H

/* X(ENUMERATOR, label, text: what happened and what the peer observes) */
#define BP_OUTCOMES(X)                                                                             \
    X(OTHER_HOST, "other_host", "left alone: link-layer destination is not this host")             \
    X(NOT_LOCAL, "not_local", "left alone: destination address is not of this host")               \
    X(MULTICAST, "multicast", "left alone: broadcast or multicast destination")                    \
    X(OTHER_SCOPE, "other_scope",                                                                  \
      "left alone: rules on this port are for another interface or address")                       \
    X(OTHER_CLIENT, "other_client", "left alone: the rule on this port is for other clients")      \
    X(TAGGED, "tagged", "left alone: VLAN tag, and the rule has no --vlan")                        \
    X(MALFORMED, "malformed", "left alone: truncated or inconsistent headers")                     \
    X(LISTEN_SOCKET, "listen_socket",                                                              \
      "left alone: a socket on the listen port itself owns the flow")                              \
    X(DRAINING, "draining", "left alone: new flow while the rule drains")                          \
    X(ABSENT_PASSED, "absent_passed",                                                              \
      "left alone: no program listens on the target (--on-absent pass)")                           \
    X(ABSENT_DROPPED, "absent_dropped",                                                            \
      "dropped: no program listens on the target (--on-absent drop)")                              \
    X(ABSENT_RESET, "absent_reset",                                                                \
      "refused: no program listens on the target, and no packet went there (sklookup)")            \
    X(OLDER_DIRECT, "older_direct", "refused: an older direct connection holds the same tuple")    \
    X(OLDER_REDIRECTED, "older_redirected",                                                        \
      "refused: an older redirected connection holds the same tuple")                              \
    X(EXCLUSIVE, "exclusive", "refused: direct client of an --exclusive target")                   \
    X(ICMP_IN, "icmp_in", "translated: ICMP error for the program behind the rule")                \
    X(ICMP_OUT, "icmp_out", "translated: ICMP error from this host to a client")                   \
    X(FLOW_LOST, "flow_lost", "redirected, but its flow could not be stored")                      \
    X(WRITE_FAILED, "write_failed", "left alone: the kernel refused to change the packet")

enum bp_outcome {
#define BP_ENUMERATOR(name, label, text) BP_OUTCOME_##name,
    BP_OUTCOMES(BP_ENUMERATOR)
#undef BP_ENUMERATOR
        BP_OUTCOME_COUNT,
};

#endif
