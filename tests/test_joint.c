/* report: several tables on one page: rows and costs are those of the tables and models, the front by hand. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "report/joint.h"
#include "report/report_parts.h"
#include "tests/support/fixture.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

static const char net[] =
    "{\"seed\": 2, \"name\": \"small\", \"data\": {\"dataset\": \"synthetic\", \"synthetic_train\": 200, "
    "\"synthetic_test\": 60, \"classes\": 3},"
    "\"model\": {\"input\": [8, 8, 2], \"layers\": ["
    "{\"type\": \"conv2d\", \"name\": \"c1\", \"filters\": 6, \"kernel\": 3, \"activation\": \"relu\"},"
    "{\"type\": \"global_avgpool\"}, {\"type\": \"dense\", \"name\": \"logits\", \"units\": 3}]},"
    "\"train\": {\"epochs\": 2, \"batch\": 20}, \"qat\": {\"epochs\": 1}, \"compare\": {\"ptq_bits\": [8, 2], "
    "\"qat_bits\": [4], \"observers\": [\"minmax\"], \"granularities\": [\"per_channel\"]}}";

static void begin_tables(void)
{
    begin();
    put_text(folder, "small.json", net);
    put_text(folder, "large.json",
             text_with(arena, text_with(arena, net, "\"filters\": 6", "\"filters\": 9"), "\"small\"", "\"large\""));
    program_must(arena, folder, "compare small.json --out s --quiet");
    program_must(arena, folder, "compare large.json --out l --quiet");
}

static const JointRow *row_named(const JointNetwork *n, const char *name)
{
    for (int i = 0; i < n->rows; i++)
        if (strcmp(n->row[i].row.name, name) == 0) return &n->row[i];
    ck_abort_msg("no row %s", name);
    return NULL;
}

START_TEST(rows_are_those_of_tables_and_models)
{
    Joint joint;
    begin_tables();
    char *const folders[] = {(char *)inside("s"), (char *)inside("l")};
    must(joint_read(arena, 2, folders, &joint));
    ck_assert_int_eq(joint.networks, 2);
    ck_assert_str_eq(joint.metric->name, "accuracy");
    ck_assert_str_eq(joint.network[1].name, "large");
    ck_assert_int_eq(joint.network[0].rows, 4);
    ck_assert(!joint.network[0].row[0].costed);
    const JointRow *q = row_named(&joint.network[1], "qat W4A4 ends 8");
    cJSON *cost = program_json(arena, folder, "inspect l/qat-W4A4-ends-8-seed2 --target c --quiet");
    ck_assert_double_eq(q->cost.of[COST_FLASH], number(cost, "flash_bytes"));
    ck_assert_double_eq(q->cost.of[COST_RAM], number(cost, "arena_bytes"));
    ck_assert_double_eq(q->weight_bytes + q->bias_bytes + q->other_bytes, q->cost.of[COST_FLASH]);
    ck_assert_double_eq(q->bias_bytes, 4 * (9 + 3));
    ck_assert_int_eq(q->row.weight_bits, 4);
    ck_assert_int_eq(q->row.seeds, 1);
    ck_assert_double_gt(q->row.latency.least_us, 0);
    cJSON_Delete(cost);
    end();
}
END_TEST

/* By definition: of each pair of rows. */
START_TEST(the_front_is_what_no_row_beats)
{
    Joint joint;
    int front = 0;
    begin_tables();
    char *const folders[] = {(char *)inside("s"), (char *)inside("l")};
    must(joint_read(arena, 2, folders, &joint));
    const JointRow *all[16];
    int n = 0;
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < joint.network[i].rows; k++) all[n++] = &joint.network[i].row[k];
    for (int i = 0; i < n; i++) {
        bool beaten = !all[i]->costed;
        for (int k = 0; k < n && all[i]->costed; k++) {
            const double a = row_accuracy(&all[i]->row), b = row_accuracy(&all[k]->row);
            const double x = all[i]->cost.of[COST_FLASH], y = all[k]->cost.of[COST_FLASH];
            beaten |= all[k]->costed && b >= a && y <= x && (b > a || y < x);
        }
        ck_assert_int_eq(all[i]->front, !beaten);
        front += all[i]->front;
    }
    ck_assert_int_ge(front, 1);
    end();
}
END_TEST

START_TEST(the_verb)
{
    begin_tables();
    cJSON *json = program_json(arena, folder, "report s l --out page");
    const cJSON *networks = cJSON_GetObjectItem(json, "networks");
    ck_assert_int_eq(cJSON_GetArraySize(networks), 2);
    ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(cJSON_GetArrayItem(networks, 0), "rows")), 4);
    cJSON_Delete(json);
    ck_assert_int_eq(line_count(text_of("page/report.csv")), 1 + 8);
    has(text_of("page/report.html"), "Networks side by side");
    has(program_must(arena, folder, "report s s --out twice"), "small (s)");
    program_refuses(arena, folder, "report s l --out page", "page: ");
    program_must(arena, folder, "report s l --out page --overwrite");
    program_refuses(arena, folder, "report s/float-seed2 --out x", "holds no compare.csv");
    put_text(folder, "s/compare.csv", "a,b\r\n1,2\r\n");
    program_refuses(arena, folder, "report s l --out x", "its columns are not those of bitfold compare");
    ck_assert(!file_exists(inside("x")));
    end();
}
END_TEST

TEST_MAIN("joint", rows_are_those_of_tables_and_models, the_front_is_what_no_row_beats, the_verb)
