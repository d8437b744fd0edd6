/* Takes memory away from the program, request by request (fail_alloc.c): each request of each case below fails, once and
 * from there on.  What may come of it:
 *
 *     exit 0, and the output and every file of the undisturbed run, byte for byte (figures of time apart);
 *     another exit code, never a signal, and a last line on stderr that says what happened; what lies under a final
 *     name is then the undisturbed run's, or a model of an earlier moment that opens, or the first lines of a log, or,
 *     of verbs that keep what they have measured, JSON of an earlier moment.
 *
 * FAIL_ALLOC_LIBRARY is the preloaded library; POINTS takes that many requests of each case, evenly spread, instead of
 * all, CASES only the cases named. */
#include <dirent.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "base/json.h"
#include "tests/alloc/cases.h"
#include "tests/support/data_files.h"
#include "tests/support/program.h"
#include "tests/support/scratch.h"
#include "tests/support/suite.h"
#include "tests/support/words.h"

enum { MOST_SECONDS = 60, MOST_WORKERS = 64, SHOWN = 5 };

static const char *program, *preloaded;

/* ---- one run ----------------------------------------------------------------------------------------------------- */

typedef struct {
    int code; /* 128 + n: ended by signal n */
    char *out, *err;
} Run;

/* In the child: the folder, the output's files, the environment, the program. */
static _Noreturn void start(Arena *arena, const char *folder, const char *command, const char *failure)
{
    char *words = arena_strdup(arena, command), *argv[64] = {arena_strdup(arena, "bitfold")};
    int n = 1;
    for (char *rest = NULL, *word = strtok_r(words, " ", &rest); word != NULL && n < 63;
         word = strtok_r(NULL, " ", &rest))
        argv[n++] = word;
    char *environment[] = {
        arena_strdup(arena, "PATH=/nonexistent"), /* no gnuplot: the table is the program's own */
        arena_strdup(arena, "GOMP_SPINCOUNT=2000"),
        arena_printf(arena, "LD_PRELOAD=%s", preloaded),
        arena_strdup(arena, "FAIL_ALLOC_COUNT=count"),
        arena_printf(arena, "FAIL_ALLOC=%s", failure),
        NULL,
    };
    if (chdir(folder) != 0 || freopen("/dev/null", "r", stdin) == NULL || freopen("stdout", "w", stdout) == NULL ||
        freopen("stderr", "w", stderr) == NULL)
        _exit(126);
    alarm(MOST_SECONDS);
    execve(program, argv, environment);
    perror(program);
    _exit(127);
}

static char *text_of(Arena *arena, const char *folder, const char *name)
{
    unsigned char *text;
    size_t bytes;
    if (file_read(arena, file_join(arena, folder, name), (size_t)1 << 30, &text, &bytes) != STATUS_OK) return NULL;
    return (char *)text;
}

static Run run(Arena *arena, const char *folder, const char *command, const char *failure)
{
    const pid_t child = fork();
    if (child == 0) start(arena, folder, command, failure);
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) return (Run){.code = 255, .out = "", .err = "no process"};
    return (Run){.code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status),
                 .out = text_of(arena, folder, "stdout"),
                 .err = text_of(arena, folder, "stderr")};
}

/* ---- what it left ------------------------------------------------------------------------------------------------ */

/* The text with each number a '#' and each row of spaces one: what two runs that took different times have in common. */
static char *without_figures(Arena *arena, const char *text)
{
    char *kept = arena_alloc(arena, strlen(text) + 1), *to = kept;
    for (const char *p = text; *p != '\0';) {
        if (*p >= '0' && *p <= '9') {
            *to++ = '#';
            while ((*p >= '0' && *p <= '9') || *p == '.') p++;
        } else if (*p == ' ') {
            *to++ = ' ';
            while (*p == ' ') p++;
        } else {
            *to++ = *p++;
        }
    }
    *to = '\0';
    return kept;
}

/* Files that tell how long something took. */
static bool holds_times(const char *path)
{
    return file_ends(path, "run.json") || file_ends(path, ".csv") || file_ends(path, ".html");
}

typedef struct {
    int n;
    struct {
        const char *path; /* below the folder */
        unsigned long crc;
        const char *text;
    } file[256];
} Files;

static void list_files(Arena *arena, const char *folder, const char *below, Files *files)
{
    DIR *dir = opendir(file_join(arena, folder, below));
    for (struct dirent *e = dir == NULL ? NULL : readdir(dir); e != NULL; e = readdir(dir)) {
        if (e->d_name[0] == '.') continue;
        const char *path = file_join(arena, below, e->d_name);
        if (file_is_dir(file_join(arena, folder, path))) {
            list_files(arena, folder, path, files);
            continue;
        }
        unsigned char *data = NULL;
        size_t bytes = 0;
        if (files->n == 256 || file_read(arena, file_join(arena, folder, path), (size_t)1 << 30, &data, &bytes))
            abort();
        const char *text = (const char *)data;
        if (holds_times(path)) bytes = strlen(text = without_figures(arena, text));
        files->file[files->n].path = path;
        files->file[files->n].text = text;
        files->file[files->n++].crc = crc32_z(0, (const unsigned char *)text, bytes);
    }
    if (dir != NULL) closedir(dir);
}

static int find_file(const Files *files, const char *path)
{
    for (int i = 0; i < files->n; i++)
        if (strcmp(files->file[i].path, path) == 0) return i;
    return -1;
}

/* What a run that succeeded must have left; NULL if it has. */
static const char *differs(Arena *arena, const Files *want, const Files *got)
{
    for (int i = 0; i < want->n; i++) {
        const int k = find_file(got, want->file[i].path);
        if (k < 0) return arena_printf(arena, "%s is missing", want->file[i].path);
        if (got->file[k].crc != want->file[i].crc) return arena_printf(arena, "%s differs", want->file[i].path);
    }
    for (int i = 0; i < got->n; i++)
        if (find_file(want, got->file[i].path) < 0) return arena_printf(arena, "%s is too many", got->file[i].path);
    return NULL;
}

/* What a run keeps of an earlier moment: its config, and what it goes on from. */
static bool is_kept(Arena *arena, const char *folder, const char *path)
{
    cJSON *json;
    if (strstr(path, "/learned-") != NULL && file_ends(path, ".safetensors"))
        return run(arena, folder, arena_printf(arena, "inspect %s", path), "0").code == 0;
    if (!file_ends(path, "/config.json") && !file_ends(path, "/sensitivity.json") && !file_ends(path, "/search.json") &&
        !file_ends(path, "/learned.json"))
        return false;
    const bool whole = json_read(arena, file_join(arena, folder, path), &json) == STATUS_OK;
    cJSON_Delete(json);
    return whole;
}

/* What a run that failed may not have left; NULL if it has not. */
static const char *spoilt(Arena *arena, const char *folder, const AllocCase *c, const Files *want, const Files *got)
{
    for (int i = 0; i < got->n; i++) {
        const char *path = got->file[i].path;
        const int k = find_file(want, path);
        if (strstr(path, ".bitfold-tmp") != NULL || (k >= 0 && got->file[i].crc == want->file[k].crc)) continue;
        if (c->keeps && is_kept(arena, folder, path)) continue;
        if (k < 0) return arena_printf(arena, "%s is too many", path);
        const char *text = got->file[i].text;
        if (file_ends(path, "metrics.jsonl") && strncmp(text, want->file[k].text, strlen(text)) == 0) continue;
        if (!file_ends(path, "/last.safetensors") && !file_ends(path, "/best.safetensors"))
            return arena_printf(arena, "%s differs", path);
        if (run(arena, folder, arena_printf(arena, "inspect %s", path), "0").code != 0)
            return arena_printf(arena, "%s does not open", path);
    }
    return NULL;
}

/* ---- the campaign ------------------------------------------------------------------------------------------------ */

typedef struct {
    const char *out;
    Files files;
    unsigned long requests;
} Undisturbed;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

static void clear_output(Arena *arena, const char *folder)
{
    const char *out = file_join(arena, folder, "out");
    if (file_exists(out) && nftw(out, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0) abort();
    if (mkdir(out, 0777) != 0) abort();
}

static Undisturbed undisturbed(Arena *arena, const char *folder, const AllocCase *c)
{
    Undisturbed u = {0};
    clear_output(arena, folder);
    const Run r = run(arena, folder, c->command, "0");
    if (r.code != 0) {
        fprintf(stderr, "%s: fails undisturbed, exit %d: %s\n", c->name, r.code, r.err);
        _exit(2);
    }
    u.out = without_figures(arena, r.out);
    list_files(arena, folder, "out", &u.files);
    const char *count = text_of(arena, folder, "count");
    if (count == NULL) abort(); /* the library was not preloaded */
    u.requests = strtoul(count, NULL, 10);
    return u;
}

/* What is wrong with the run in which this request failed; NULL if nothing is.  *complete: it succeeded all the same. */
static const char *disturbed(Arena *arena, const char *folder, const AllocCase *c, const Undisturbed *u,
                             const char *failure, bool *complete)
{
    clear_output(arena, folder);
    const Run r = run(arena, folder, c->command, failure);
    Files *got = ARENA_ARRAY(arena, Files, 1);
    list_files(arena, folder, "out", got);
    *complete = r.code == 0;
    if (r.code == 128 + SIGALRM) return "still runs after a minute";
    if (r.code >= 128) return arena_printf(arena, "ended by signal %d: %s", r.code - 128, r.err);
    if (r.code == 0) {
        if (strcmp(without_figures(arena, r.out), u->out) != 0) return "exit 0, and another output";
        const char *wrong = differs(arena, &u->files, got);
        return wrong == NULL ? NULL : arena_printf(arena, "exit 0, and %s", wrong);
    }
    const char *line = last_line(r.err);
    if (strncmp(line, "bitfold", 7) != 0 && strncmp(line, "libgomp: ", 9) != 0)
        return arena_printf(arena, "exit %d without a reason: \"%s\"", r.code, line);
    const char *wrong = spoilt(arena, folder, c, &u->files, got);
    return wrong == NULL ? NULL : arena_printf(arena, "exit %d, and %s", r.code, wrong);
}

typedef struct {
    int runs, complete, wrong;
} Tally;

/* Every `workers`th point of the case, in a folder that is this worker's. */
static Tally work(const AllocCase *c, const char *folder, long points, int worker, int workers)
{
    Arena *own = arena_create(), *arena = arena_create();
    const Undisturbed u = undisturbed(own, folder, c);
    const long all = (long)u.requests, n = points > 0 && points < all ? points : all;
    Tally t = {0};
    for (long k = worker; k < n; k += workers)
        for (int for_good = 0; for_good < 2; for_good++, arena_reset(arena)) {
            const char *failure = arena_printf(arena, "%ld%s", 1 + k * all / n, for_good ? "+" : "");
            bool complete;
            const char *wrong = disturbed(arena, folder, c, &u, failure, &complete);
            t.runs++;
            t.complete += complete;
            if (wrong != NULL && t.wrong++ < SHOWN) printf("%s: FAIL_ALLOC=%s: %s\n", c->name, failure, wrong);
        }
    fflush(stdout);
    arena_destroy(arena);
    arena_destroy(own);
    return t;
}

/* The case on all cores; whether nothing was wrong. */
static bool campaign(const AllocCase *c, const char *const *folder, int workers, long points)
{
    Tally *tally = mmap(NULL, sizeof *tally * MOST_WORKERS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tally == MAP_FAILED) abort();
    for (int w = 0; w < workers; w++)
        if (fork() == 0) {
            tally[w] = work(c, folder[w], points, w, workers);
            _exit(0);
        }
    int status, broken = 0;
    while (wait(&status) > 0) broken += status != 0;
    Tally sum = {0};
    for (int w = 0; w < workers; w++) {
        sum.runs += tally[w].runs;
        sum.complete += tally[w].complete;
        sum.wrong += tally[w].wrong;
    }
    munmap(tally, sizeof *tally * MOST_WORKERS);
    const bool good = broken == 0 && sum.wrong == 0 && sum.runs > 0;
    printf("%s alloc %s: %d runs, %d complete, %d wrong, the others ended with a reason\n", good ? "pass" : "FAIL",
           c->name, sum.runs, sum.complete, sum.wrong);
    fflush(stdout);
    return good;
}

static const char *real_path(Arena *arena, const char *variable)
{
    const char *given = getenv(variable);
    char path[4096];
    ck_assert_msg(given != NULL && realpath(given, path) != NULL, "%s: must be a file that was built", variable);
    return arena_strdup(arena, path);
}

START_TEST(a_failed_request_ends_in_a_line_or_in_the_whole_result)
{
    Arena *arena = arena_create();
    program = real_path(arena, "BITFOLD");
    preloaded = real_path(arena, "FAIL_ALLOC_LIBRARY");
    const char *points = getenv("POINTS"), *cases = getenv("CASES");
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const int workers = cores < 1 ? 1 : cores > MOST_WORKERS ? MOST_WORKERS : (int)cores;
    const char *folder[MOST_WORKERS];
    for (int w = 0; w < workers; w++) alloc_case_prepare(arena, folder[w] = scratch_folder(arena));
    int passed = 0, failed = 0;
    for (int i = 0; i < alloc_cases_n; i++) {
        if (!words_hold(cases, alloc_cases[i].name)) continue;
        const bool good = campaign(&alloc_cases[i], folder, workers, points == NULL ? 0 : strtol(points, NULL, 10));
        passed += good;
        failed += !good;
    }
    for (int w = 0; w < workers; w++) folder_remove(folder[w]);
    printf("tests: %d passed, %d failed\n", passed, failed);
    ck_assert_int_gt(passed, 0);
    ck_assert_int_eq(failed, 0);
    arena_destroy(arena);
}
END_TEST

TEST_MAIN("alloc", a_failed_request_ends_in_a_line_or_in_the_whole_result)
