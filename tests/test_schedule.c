/* Learning-rate schedules. */
#include <math.h>
#include <string.h>

#include "optim/optimizer.h"
#include "tests/support/check_fields.h"
#include "tests/support/suite.h"

static ScheduleConfig schedule_of(const char *name, double warmup)
{
    static double milestones[] = {0.5, 0.75};
    ScheduleConfig c = {.type = -1, .warmup = warmup, .gamma = 0.1, .milestones = {2, milestones}};
    for (int i = 0; schedule_names[i] != NULL; i++)
        if (strcmp(schedule_names[i], name) == 0) c.type = i;
    ck_assert_int_ge(c.type, 0);
    return c;
}

static void check_factor(const ScheduleConfig *c, long step, long steps, double want)
{
    ck_assert_double_eq_tol(schedule_factor(c, step, steps), want, 1e-14);
}

START_TEST(schedules_have_their_values)
{
    ScheduleConfig c = schedule_of("constant", 0.0);
    check_factor(&c, 0, 100, 1.0);
    check_factor(&c, 99, 100, 1.0);
    c.warmup = 0.1;
    check_factor(&c, 0, 100, 0.1);
    check_factor(&c, 4, 100, 0.5);
    check_factor(&c, 9, 100, 1.0);
    check_factor(&c, 10, 100, 1.0);

    c = schedule_of("step", 0.0);
    check_factor(&c, 0, 1000, 1.0);
    check_factor(&c, 499, 1000, 1.0);
    check_factor(&c, 500, 1000, 0.1);
    check_factor(&c, 749, 1000, 0.1);
    check_factor(&c, 750, 1000, 0.01);
    check_factor(&c, 999, 1000, 0.01);
    c.warmup = 0.6; /* longer than the first milestone is away */
    check_factor(&c, 599, 1000, 1.0);
    check_factor(&c, 600, 1000, 0.1);
    c.milestones.at = (double[]){0.75, 0.5};
    check_factor(&c, 700, 1000, 0.1);

    c = schedule_of("cosine", 0.0);
    check_factor(&c, 0, 100, 1.0);
    check_factor(&c, 25, 100, 0.5 + sqrt(0.125));
    check_factor(&c, 50, 100, 0.5);
    check_factor(&c, 99, 100, pow(sin(acos(-1.0) / 200), 2)); /* (1 + cos(pi - a)) / 2 = sin(a / 2)^2 */
    check_factor(&c, 100, 100, schedule_factor(&c, 99, 100));
    c.warmup = 0.2, c.final_scale = 0.1; /* 20 steps up, then 80 from 1 to 0.1 */
    check_factor(&c, 0, 100, 0.05);
    check_factor(&c, 19, 100, 1.0);
    check_factor(&c, 20, 100, 1.0);
    check_factor(&c, 60, 100, 0.55);
    check_factor(&c, 99, 100, 0.1 + 0.9 * pow(sin(acos(-1.0) / 160), 2));
}
END_TEST

START_TEST(schedules_hold_for_any_length)
{
    ck_assert_int_eq(schedule_share(0.07, 100), 7); /* 0.07 * 100 is 7.000000000000001 in double */
    ck_assert_int_eq(schedule_share(0.05, 2345), 118);
    ck_assert_int_eq(schedule_share(0.0, 100), 0);
    ck_assert_int_eq(schedule_share(0.001, 10), 1);
    ck_assert_int_eq(schedule_share(1.0, 10000000), 10000000);
    static const double warmups[] = {0.0, 0.05, 0.3, 0.9};
    for (int type = 0; schedule_types[type] != NULL; type++) {
        for (int w = 0; w < 4; w++) {
            const ScheduleConfig c = schedule_of(schedule_names[type], warmups[w]);
            for (long steps = 1; steps < 60; steps++) {
                const long peak = schedule_share(c.warmup, steps);
                double last = 0.0;
                for (long i = 0; i < steps; i++) {
                    const double f = schedule_factor(&c, i, steps);
                    ck_assert(f > 0.0 && f <= 1.0);
                    ck_assert(i < peak ? f > last : i == 0 || f <= last);
                    if (i == peak - 1) ck_assert(f == 1.0);
                    last = f;
                }
            }
        }
    }
}
END_TEST

START_TEST(the_table_is_complete)
{
    check_fields(schedule_fields, sizeof(ScheduleConfig));
    int n = 0;
    for (; schedule_types[n] != NULL; n++) {
        ck_assert_str_eq(schedule_types[n]->name, schedule_names[n]);
        ck_assert(schedule_types[n]->doc[0] != '\0');
    }
    ck_assert(n == 3 && schedule_names[n] == NULL);
}
END_TEST

TEST_MAIN("schedule", schedules_have_their_values, schedules_hold_for_any_length, the_table_is_complete)
