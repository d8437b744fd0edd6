/* The least of many repeats, and whether the machine had other work.  No time is asserted. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/machine.h"
#include "base/timing.h"
#include "tests/support/fixture.h"
#include "tests/support/suite.h"
#include "train/experiment.h"
#include "train/latency.h"

START_TEST(least_is_of_many)
{
    begin_zoo();
    Config *config;
    DataSplits data;
    Model *m;
    must(config_read(arena, inside("zoo.json"), NULL, &config));
    must(experiment_data(arena, config, &data));
    must(experiment_model(arena, config, NULL, &data, &m));
    model_init(m, 1);
    Latency l;
    must(latency_measure(arena, m, NULL, &data.test, &l));
    ck_assert_int_ge(l.repeats, 101);
    ck_assert(l.least_us > 0 && l.median_us >= l.least_us);
    ck_assert(l.others >= 0 && l.waited >= 0 && l.waited < 1);
    end();
}
END_TEST

START_TEST(disturbed_is_more_than_a_tenth)
{
    ck_assert(!latency_disturbed(&(Latency){.others = 0.1, .waited = 0.1}));
    ck_assert(latency_disturbed(&(Latency){.others = 0.11}));
    ck_assert(latency_disturbed(&(Latency){.waited = 0.11}));
}
END_TEST

/* A child that does nothing but run is seen sooner or later, where the system tells at all. */
START_TEST(others_are_seen)
{
    Arena *a = arena_create();
    ck_assert_int_ge(machine_cpus(), 1);
    ck_assert_str_ne(machine_cpu(a), "");
    arena_destroy(a);
    if (machine_others_running() < 0) return;
    const pid_t child = fork();
    if (child == 0)
        for (volatile unsigned n = 0;; n++) continue;
    const double start = timing_seconds();
    int most = 0;
    while (most < 1 && timing_seconds() - start < 20) {
        const int others = machine_others_running();
        most = others > most ? others : most;
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    ck_assert_int_ge(most, 1);
}
END_TEST

TEST_MAIN("latency", least_is_of_many, disturbed_is_more_than_a_tenth, others_are_seen)
