/* Every file system call of every verb that writes is made the last one, or fails, and what is left is looked at.
 *
 *     POINTS=25      at most so many calls of each case and fault, evenly spread (default: every call)
 *     CASES="a b"    only these
 *     FAULTS="kill"  only these: kill ENOSPC ENOSPC-stays EIO EIO-stays EINTR short
 *
 * After a fault each file that has its final name must be whole, and no config stand beside another run's model; a run
 * that says it succeeded must have the undisturbed run's results, and at most a temporary beside them that the fault
 * kept from being removed; one that failed says so in a line that begins with "bitfold: ".  Then the command runs again
 * (--resume, --overwrite, or as it was): it must succeed, with the undisturbed run's results, byte for byte, and no
 * temporary file left.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/faults/fault_cases.h"
#include "tests/faults/fault_state.h"
#include "tests/faults/tracer.h"
#include "tests/support/data_files.h"
#include "tests/support/scratch.h"
#include "tests/support/suite.h"
#include "tests/support/words.h"

typedef struct {
    const char *name;
    Fault fault;
} FaultType;

static const FaultType types[] = {
    {"kill", {.kind = FAULT_KILL, .classes = CALL_CHANGE}},
    {"ENOSPC", {.kind = FAULT_ERROR, .error = ENOSPC, .classes = CALL_SPACE}},
    {"ENOSPC-stays", {.kind = FAULT_ERROR, .error = ENOSPC, .forever = true, .classes = CALL_SPACE}},
    {"EIO", {.kind = FAULT_ERROR, .error = EIO, .classes = CALL_CHANGE | CALL_READ}},
    {"EIO-stays", {.kind = FAULT_ERROR, .error = EIO, .forever = true, .classes = CALL_CHANGE | CALL_READ}},
    {"EINTR", {.kind = FAULT_ERROR, .error = EINTR, .classes = CALL_INTERRUPT}},
    {"short", {.kind = FAULT_SHORT, .classes = CALL_WRITE}},
};
enum { TYPES = (int)(sizeof types / sizeof types[0]), STATES = 4096, COUNTED_MOST = 4096 };

typedef struct {
    Arena *arena; /* of one fault */
    const FaultCase *c;
    const char *root, *r, *kept, *before_folder;
    const char *before, *after; /* states of r */
    const char *place;          /* which fault, for messages */
    unsigned long seen[STATES]; /* hashes of the states that the command ran again from */
    int states;
    long runs, failures;
} Campaign;

static void complain(Campaign *a, const char *what, const char *detail)
{
    a->failures++;
    printf("FAIL %s: %s%s%s\n", a->place, what, detail[0] == '\0' ? "" : ": ", detail);
    fflush(stdout);
}

static Traced run(Campaign *a, const char *command, const Fault *fault)
{
    a->runs++;
    return traced_run(a->arena, a->root, fault_argv(a->arena, command), fault_environment(a->arena, a->root), fault);
}

/* No config beside the model of another run. */
static void check_pairs(Campaign *a, const char *state)
{
    static const char *const models[] = {"last.safetensors", "best.safetensors", "model.safetensors"};
    const char *config = state_line(a->arena, state, "config.json");
    const char *old_config = state_line(a->arena, a->before, "config.json");
    const char *new_config = state_line(a->arena, a->after, "config.json");
    if (config == NULL || old_config == NULL || new_config == NULL || strcmp(old_config, new_config) == 0) return;
    for (int i = 0; i < 3; i++) {
        const char *model = state_line(a->arena, state, models[i]);
        const char *old_model = state_line(a->arena, a->before, models[i]);
        if (model == NULL) continue;
        const bool old = old_model != NULL && strcmp(model, old_model) == 0;
        if (old != (strcmp(config, old_config) == 0)) complain(a, "a config beside another run's model", models[i]);
    }
}

static bool known(Campaign *a, const char *state)
{
    unsigned long sum = 5381;
    for (const char *p = state; *p != '\0'; p++) sum = sum * 33 + (unsigned char)*p;
    for (int i = 0; i < a->states; i++)
        if (a->seen[i] == sum) return true;
    if (a->states < STATES) a->seen[a->states++] = sum;
    return false;
}

/* The command again, in the folder as the fault left it. */
static void check_again(Campaign *a, const char *option)
{
    state_copy(a->kept, a->r);
    const char *base = a->c->command, *cut = strstr(base, " --overwrite");
    const char *command =
        arena_printf(a->arena, "%.*s %s", cut == NULL ? (int)strlen(base) : (int)(cut - base), base, option);
    const bool there = file_exists(a->r);
    const Traced t = run(a, command, &(Fault){.kind = FAULT_NONE});
    if (t.code != 0 && !there && strcmp(option, "--resume") == 0) return; /* there is no folder to go on in */
    if (t.code != 0) {
        complain(a, arena_printf(a->arena, "then %s: exit %d", option[0] == '\0' ? "again" : option, t.code), t.err);
        return;
    }
    const char *state = state_text(a->arena, a->r);
    if (strcmp(state, a->after) != 0)
        complain(a, arena_printf(a->arena, "then %s: other files than an undisturbed run's", option),
                 state_difference(a->arena, state, a->after));
}

static void check_outcome(Campaign *a, const FaultType *type, const Traced *t, const char *state)
{
    if (type->fault.kind == FAULT_KILL) {
        if (t->hit != NULL && t->code != 137) complain(a, "was not killed", "");
    } else if (t->signalled) {
        complain(a, "ended by a signal", arena_printf(a->arena, "%d", t->code - 128));
    } else if (t->code == 0) {
        const char *results = state_without_temporaries(a->arena, state);
        if (strcmp(results, a->after) != 0)
            complain(a, "exit 0 without the results", state_difference(a->arena, results, a->after));
    } else if (t->code != 1) {
        complain(a, arena_printf(a->arena, "exit %d", t->code), t->err);
    } else if (strncmp(last_line(t->err), "bitfold: ", 9) != 0 && t->hit != NULL && strcmp(t->hit, "write") != 0) {
        complain(a, "failed without a word", t->err); /* but a failing write may have been that of the word */
    }
}

/* false: the call has no such fault. */
static bool one_fault(Campaign *a, const FaultType *type, long at)
{
    Fault fault = type->fault;
    fault.at = at;
    state_copy(a->before_folder, a->r);
    const Traced t = run(a, a->c->command, &fault);
    if (t.hit == NULL) return false;
    a->place = arena_printf(a->arena, "%s: %s at call %ld (%s)", a->c->name, type->name, at, t.hit);
    const char *state = state_text(a->arena, a->r);
    check_outcome(a, type, &t, state);
    if (known(a, state)) return true;
    const char *const texts[] = {a->before, a->after, NULL};
    const char *broken = state_broken(a->arena, a->r, texts);
    if (broken != NULL) complain(a, "not whole", broken);
    check_pairs(a, state);
    state_copy(a->r, a->kept);
    if (a->c->resume != NULL) check_again(a, a->c->resume);
    check_again(a, a->c->again);
    return true;
}

static void prepare(Campaign *a, const FaultCase *c, Arena *arena)
{
    a->c = c;
    a->arena = arena;
    a->states = 0;
    if (file_exists(a->r)) folder_remove(a->r);
    if (c->again[0] == '\0' && c->before != NULL) (void)file_make_dir(a->r);
    if (c->before != NULL) fault_must(arena, a->root, c->before);
    state_copy(a->r, a->before_folder);
    a->before = state_text(arena, a->r);
}

static bool one_case(Campaign *a, const FaultCase *c, long points, const char *faults)
{
    Arena *own = arena_create();
    prepare(a, c, own);
    const Traced whole = run(a, c->command, &(Fault){.kind = FAULT_NONE});
    a->place = c->name;
    const long runs = a->runs, failures = a->failures;
    if (whole.code != 0) complain(a, "undisturbed: failed", whole.err);
    a->after = state_text(own, a->r);
    long hits[TYPES] = {0};
    for (int k = 0; k < TYPES && whole.code == 0; k++) {
        if (!words_hold(faults, types[k].name)) continue;
        long calls = 0, at[COUNTED_MOST];
        for (long i = 0; i < whole.calls && i < COUNTED_MOST; i++)
            if ((whole.classes[i] & types[k].fault.classes) != 0) at[calls++] = i + 1;
        const long n = points > 0 && points < calls ? points : calls;
        for (long i = 0; i < n; i++) {
            a->arena = arena_create();
            hits[k] += one_fault(a, &types[k], at[(2 * i + 1) * calls / (2 * n)]);
            arena_destroy(a->arena);
        }
    }
    printf("%-20s %4ld calls;", c->name, whole.calls);
    for (int k = 0; k < TYPES; k++) printf(" %s %ld", types[k].name, hits[k]);
    printf("; %ld runs, %d states, %ld failures\n", a->runs - runs, a->states, a->failures - failures);
    fflush(stdout);
    arena_destroy(own);
    return a->failures == failures;
}

/* Whether the faults that were asked for are faults: a misspelt one would pass by doing nothing. */
static bool faults_known(const char *faults)
{
    int chosen = 0, words = 0;
    for (int k = 0; k < TYPES; k++) chosen += words_hold(faults, types[k].name);
    for (const char *p = faults == NULL ? "" : faults; *p != '\0'; p++)
        words += *p != ' ' && (p[1] == ' ' || p[1] == '\0');
    return words == 0 || chosen == words;
}

START_TEST(nothing_is_lost_or_left)
{
    ck_assert_msg(traced_possible(), "this machine permits no tracing (ptrace with seccomp, on x86-64)");
    const char *cases = getenv("CASES"), *points = getenv("POINTS"), *faults = getenv("FAULTS");
    ck_assert_msg(faults_known(faults), "FAULTS=\"%s\": must be words of those at the head of this file", faults);
    Arena *arena = arena_create();
    const char *root = scratch_folder(arena);
    Campaign a = {.root = root,
                  .r = file_join(arena, root, "r"),
                  .kept = file_join(arena, root, "kept"),
                  .before_folder = file_join(arena, root, "before")};
    fault_base(arena, root);
    int passed = 0, failed = 0;
    for (const FaultCase *c = fault_cases; c->name != NULL; c++) {
        if (!words_hold(cases, c->name)) continue;
        const bool good = one_case(&a, c, points == NULL ? 0 : atol(points), faults);
        passed += good;
        failed += !good;
    }
    folder_remove(root);
    arena_destroy(arena);
    printf("%ld runs, %ld failures\ntests: %d passed, %d failed\n", a.runs, a.failures, passed, failed);
    ck_assert_int_gt(passed, 0);
    ck_assert_int_eq(failed, 0);
}
END_TEST

TEST_MAIN("faults", nothing_is_lost_or_left)
