/* What exported C takes in instructions, known without running it: near what an emulated Cortex-M4 counted
 * (bench/results.csv), of networks that had no part in the prices. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "deploy/c/c_cost.h"
#include "deploy/c/c_count.h"
#include "deploy/c/c_cycles.h"
#include "graph/node.h"
#include "tests/support/c_graphs.h"
#include "tests/support/fixture.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

static const double BOUND = 0.03;

static const char *config_of(const char *network)
{
    static const char *const configs[][2] = {{"lenet5", "mnist_sample_lenet"},
                                             {"resnet8", "cifar10_resnet8"},
                                             {"kws_dscnn", "kws_dscnn"},
                                             {"mobilenetv1_025", "vww_mobilenetv1_025"},
                                             {"bars", "regression_bars"}};
    for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++)
        if (strcmp(configs[i][0], network) == 0) return configs[i][1];
    ck_abort_msg("%s: no config is known", network);
}

/* A line network,steps,kernels,variant,...,m4_instructions, whose last is a number. */
static void check_line(char *line)
{
    const char *measured = strrchr(line, ',') + 1, *network = strtok(line, ","), *steps = strtok(NULL, ",");
    const char *kernels = strtok(NULL, ","), *variant = strtok(NULL, ",");
    const int bits = variant[strlen(variant) - 1] - '0';
    cJSON *json = program_json(
        arena, ".",
        arena_printf(arena,
                     "inspect configs/%s.json --target c --set quant.target=c --set quant.weights.bits=%d --set "
                     "quant.activations.bits=%d",
                     config_of(network), bits, bits));
    const double off = number(json, "cycles") / strtod(measured, NULL) - 1.0;
    ck_assert_msg(fabs(off) <= BOUND, "%s, %s steps, %s, %s: %.2f %% from the %s instructions that were measured",
                  network, steps, kernels, variant, 100.0 * off, measured);
    cJSON_Delete(json);
}

START_TEST(whole_networks_take_what_is_said)
{
    begin();
    unsigned char *table;
    size_t bytes;
    int lines = 0;
    must(file_read(arena, "bench/results.csv", 1 << 20, &table, &bytes));
    for (char *line = (char *)table, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        if (line == (char *)table || end[-1] == '-') continue; /* its head; a network in floats */
        check_line(line);
        lines++;
    }
    ck_assert_int_ge(lines, 20);
    end();
}
END_TEST

START_TEST(cells_of_a_window_are_counted)
{
    for (int output = 0; output < 9; output++)
        for (int padding = 0; padding < 6; padding++)
            for (int kernel = 1; kernel < 7; kernel++)
                for (int stride = 1; stride < 4; stride++)
                    for (int dilation = 1; dilation < 4; dilation++) {
                        int inside = 0;
                        for (int k = 0; k < kernel; k++) {
                            const int cell = output * stride - padding + k * dilation;
                            inside += cell >= 0 && cell < 8;
                        }
                        ck_assert_int_eq(c_cells_inside(output, stride, padding, kernel, dilation, 8), inside);
                    }
}
END_TEST

/* What is called takes something; row by row about as much as whole. */
START_TEST(layers_add_up)
{
    begin();
    int by_rows = 0;
    for (int number = 0; number < C_GRAPHS; number++) {
        const Graph *g = c_graph(arena, number);
        const Plan plan = c_plan_make(arena, g);
        const CCost cost = c_cost(arena, g, &plan);
        double sum = 0.0;
        for (int i = 0; i < cost.layers; i++) {
            const Node *n = cost.layer[i].node;
            const PlanNode *planned = &plan.node[n - g->node];
            const double whole = c_node_cycles(g, n), here = cost.layer[i].cycles;
            sum += here;
            ck_assert(here >= 0.0 && here == c_planned_cycles(g, n, planned));
            if (n->op != NODE_RESHAPE) ck_assert_msg(here > 0.0, "graph %d: %s", number, n->name);
            if (planned->by_rows) ck_assert(here > 0.9 * whole && here < 2.0 * whole);
            by_rows += planned->by_rows;
        }
        ck_assert_double_eq(sum, cost.cycles);
    }
    ck_assert_int_gt(by_rows, 0);
    end();
}
END_TEST

TEST_MAIN("c_cycles", cells_of_a_window_are_counted, whole_networks_take_what_is_said, layers_add_up)
