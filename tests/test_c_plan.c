/* Where exported C keeps its activations: what is fused, what works in place, and how little memory that takes. */
#include "deploy/c/c_plan.h"

#include "tests/support/c_graphs.h"
#include "tests/support/suite.h"
#include "graph/plan.h"

START_TEST(rows_go_into_the_add)
{
    Arena *arena = arena_create();
    const Graph *g = c_graph(arena, C_RESIDUAL);
    const Plan plan = c_plan_make(arena, g);
    int by_rows = 0;
    for (int i = 0; i < g->nodes; i++) {
        by_rows += plan.node[i].by_rows;
        if (plan.node[i].by_rows) ck_assert_int_eq(plan.tensor[g->node[i].output].place, PLAN_NOWHERE);
    }
    ck_assert_int_eq(by_rows, 4); /* a2, b2, c1, d1 */
    ck_assert_int_eq(plan.tensor[0].place, PLAN_INPUT);
    ck_assert_int_eq(plan.tensor[g->output].place, PLAN_OUTPUT);
    /* stem and a1, 9 x 7 x 6 each and rounded up to 4, a row of a2 and its two windows. */
    ck_assert_uint_eq(plan.bytes, 380 + 380 + 44 + 108);
    arena_destroy(arena);
}
END_TEST

START_TEST(convolutions_overwrite_where_it_saves)
{
    Arena *arena = arena_create();
    const Graph *g = c_graph(arena, C_SEPARABLE);
    const Plan plan = c_plan_make(arena, g);
    int in_place = 0;
    for (int i = 0; i < g->nodes; i++) in_place += plan.node[i].in_place;
    ck_assert_int_eq(in_place, 4); /* d1, p1, d2, p2 */
    /* One tensor of 9 x 7 x 6, and four channels of it. */
    ck_assert_uint_eq(plan.bytes, 380 + 252);
    arena_destroy(arena);
}
END_TEST

START_TEST(never_more_than_without)
{
    Arena *arena = arena_create();
    for (int i = 0; i < C_RANDOM; i++) {
        const Graph *g = c_graph(arena, i);
        const Plan plan = c_plan_make(arena, g);
        size_t most = 0, scratch = 0;
        for (int k = 0; k < g->nodes; k++) {
            if (plan.node[k].alive_bytes > most) most = plan.node[k].alive_bytes;
            if (plan.node[k].scratch_bytes > scratch) scratch = plan.node[k].scratch_bytes;
        }
        ck_assert_uint_le(most, plan.bytes);
        ck_assert_uint_le(plan.bytes, graph_arena_bytes(g) + scratch);
    }
    arena_destroy(arena);
}
END_TEST

TEST_MAIN("c_plan", rows_go_into_the_add, convolutions_overwrite_where_it_saves, never_more_than_without)
