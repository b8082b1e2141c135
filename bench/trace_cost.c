// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// trace_cost OBJECT...: nanoseconds of bp_tc_in of each object, for a packet that no rule is about
// and for one of a known flow. Two rules send 80 to 3000 and back, since BPF_PROG_TEST_RUN works on
// the packet that the last round left. Built and run by trace_cost.sh.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpfport/flow.h"
#include "bpfport/table.h"

#define RUNS 41
#define ROUNDS 100000

static int compare(const void* left, const void* right) {
    return *(const int*)left - *(const int*)right;
}

static int median(int program, unsigned short port) {
    unsigned char frame[54] = {0}, *ip = frame + 14, *tcp = ip + 20;
    int times[RUNS];

    frame[12] = 8;
    ip[0] = 0x45, ip[3] = 40, ip[8] = 64, ip[9] = 6;
    ip[12] = 10, ip[15] = 9, ip[16] = 10, ip[19] = 2;
    tcp[0] = 40000 >> 8, tcp[1] = 40000 & 255, tcp[2] = port >> 8, tcp[3] = port & 255;
    tcp[12] = 0x50, tcp[13] = 0x10;
    for (int i = 0; i < RUNS; i++) {
        LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame),
                    .repeat = ROUNDS);
        if (bpf_prog_test_run_opts(program, &options)) {
            perror("test run");
            exit(1);
        }
        times[i] = (int)options.duration;
    }
    qsort(times, RUNS, sizeof(times[0]), compare);
    return times[RUNS / 2];
}

static void set_rule(struct bp_table* table, int rules, int id, unsigned short listen,
                     unsigned short target) {
    struct bp_rule rule = {.listen_first = listen, .listen_last = listen, .target_first = target};
    __u32 index = BP_RULE_INDEX(0, id);

    table->ports[0][BP_TCP][listen] = id;
    bpf_map_update_elem(rules, &index, &rule, BPF_ANY);
}

static void set_hint(int map, int id, unsigned short listen, unsigned short target) {
    struct bp_flow_key key = {.peer = {[10] = 255, 255, 10, 0, 0, 9},
                              .local = {[10] = 255, 255, 10, 0, 0, 2},
                              .peer_port = htons(40000),
                              .target_port = htons(target)};
    struct bp_flow flow = {htons(listen), htons(target), id, 0};

    bpf_map_update_elem(map, &key, &flow, BPF_ANY);
}

static struct bpf_object* load(const char* path) {
    struct bpf_object* object = bpf_object__open_file(path, NULL);
    struct bpf_map* map = NULL;
    struct bp_table* table;

    if (!object || bpf_object__load(object)) {
        perror(path);
        exit(1);
    }
    bpf_object__for_each_map(map, object) if (strstr(bpf_map__name(map), ".bss")) break;
    table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
    if (table == MAP_FAILED) {
        perror("map the rule table");
        exit(1);
    }
    map = bpf_object__find_map_by_name(object, "bp_rules");
    set_rule(table, bpf_map__fd(map), 1, 80, 3000);
    set_rule(table, bpf_map__fd(map), 2, 3000, 80);
    map = bpf_object__find_map_by_name(object, "bp_hints");
    set_hint(bpf_map__fd(map), 1, 80, 3000);
    set_hint(bpf_map__fd(map), 2, 3000, 80);
    return object;
}

static int quiet(enum libbpf_print_level level, const char* format, va_list args) { return 0; }

int main(int count, char** paths) {
    struct bpf_object* objects[16];

    libbpf_set_print(quiet);
    if (count < 2 || count > 16) return 2;
    for (int i = 1; i < count; i++) objects[i] = load(paths[i]);
    for (int round = 0; round < 3; round++)
        for (int i = 1; i < count; i++) {
            int program = bpf_program__fd(bpf_object__find_program_by_name(objects[i], "bp_tc_in"));

            printf("%s: no rule %d ns, known flow %d ns\n", paths[i], median(program, 81),
                   median(program, 80));
        }
    return 0;
}
