/* One test program: include this, write START_TEST functions, name them in TEST_MAIN.
 *
 * Check forks per test and a libgomp pool does not survive fork, so tests run in this process (CK_NOFORK): a test that
 * crashes ends its program, and the runner reports it.
 */
#ifndef BITFOLD_TESTS_SUPPORT_SUITE_H
#define BITFOLD_TESTS_SUPPORT_SUITE_H

#include <check.h>
#include <stdlib.h>

#define TEST_MAIN(suite_name, ...)                                                                                     \
    int main(void)                                                                                                     \
    {                                                                                                                  \
        Suite *suite = suite_create(suite_name);                                                                       \
        TCase *tcase = tcase_create(suite_name);                                                                       \
        tcase_set_timeout(tcase, 0);                                                                                   \
        const TTest *const tests[] = {__VA_ARGS__};                                                                    \
        for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(tcase, tests[i]);                   \
        suite_add_tcase(suite, tcase);                                                                                 \
        SRunner *runner = srunner_create(suite);                                                                       \
        srunner_set_fork_status(runner, CK_NOFORK);                                                                    \
        srunner_run_all(runner, CK_NORMAL);                                                                            \
        const int failed = srunner_ntests_failed(runner);                                                              \
        srunner_free(runner);                                                                                          \
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;                                                              \
    }

#endif
