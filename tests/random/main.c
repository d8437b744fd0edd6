/* Makes random networks, trains each for a moment in its own bits and rounding, and holds every way out of bitfold to
 * the layers' own integers:
 *     NETS=200 SEED=1   which networks
 *     KEEP=DIR          a folder for the exports, with images and answers, for runtimes that are not ours
 * A network that differs leaves its config in KEEP or in the working directory.  It fails if any differs, a way out
 * carried none, or more than a fifth could not be made. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "kernels/kernels.h"
#include "tests/random/random.h"
#include "tests/support/data_files.h"
#include "tests/support/scratch.h"
#include "tests/support/suite.h"
#include "tests/support/words.h"

enum { MAX_SAID = 1 << 20 };

int net_run(const Net *net, const char **last, const char *command)
{
    Arena *a = net->arena;
    const char *line =
        arena_printf(a, "cd %s && OMP_NUM_THREADS=1 %s %s >said.txt 2>&1", net->folder, net->program, command);
    const int status = system(line); /* NOLINT: a command of these files */
    uint8_t *said;
    size_t bytes;
    *last = "said nothing";
    if (file_read(a, file_join(a, net->folder, "said.txt"), MAX_SAID, &said, &bytes) == STATUS_OK && bytes > 0) {
        char *text = arena_alloc(a, bytes + 1);
        memcpy(text, said, bytes);
        text[bytes] = '\0';
        if (text[bytes - 1] == '\n') text[bytes - 1] = '\0';
        *last = last_line(text);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

typedef enum { MADE, REFUSED, BROKEN } Made;

/* Half of the networks are trained in float and quantized afterwards, half trained with quantization.  A training that
 * ends in a sentence, as where layers die, is none that can differ. */
static Made make(const Net *net)
{
    static const char *const steps[][2] = {
        {"train net.json --quiet --out float", "ptq float/last.safetensors --quiet --out run"},
        {"qat net.json --quiet --out run", NULL}};
    const char *const *step = steps[net->number % 2];
    for (int i = 0; i < 2 && step[i] != NULL; i++) {
        const char *last;
        const int code = net_run(net, &last, step[i]);
        if (code == 0) continue;
        printf("net %d: %s: %s\n", net->number, step[i], last);
        return code == 1 || code == 2 ? REFUSED : BROKEN;
    }
    /* What ptq writes is named otherwise. */
    Arena *a = net->arena;
    const char *ptq = file_join(a, net->folder, "run/model.safetensors");
    const char *last = file_join(a, net->folder, "run/last.safetensors");
    return access(ptq, F_OK) != 0 || rename(ptq, last) == 0 ? MADE : BROKEN;
}

static bool run_net(const Net *net, uint64_t seed, Tally *tally, int *refused)
{
    const char *text = random_net(net->arena, seed, net->number);
    if (file_write(net->arena, file_join(net->arena, net->folder, "net.json"), text, strlen(text)) != STATUS_OK) {
        printf("net %d: %s\n", net->number, status_message());
        return false;
    }
    const Made made = make(net);
    bool same = made != BROKEN;
    *refused += made == REFUSED;
    if (made == REFUSED) return true;
    /* Exported C has the floats of the portable kernels. */
    const char *error;
    same = same && kernels_select(random_net_in_floats(net->number) ? "ref" : NULL, &error);
    for (int i = 0; same && random_targets[i].name != NULL; i++) same = random_targets[i].run(net, &tally[i]);
    if (!same) {
        const char *left = arena_printf(net->arena, "%s/random_%llu_%d.json", net->keep == NULL ? "." : net->keep,
                                        (unsigned long long)seed, net->number);
        if (file_write(net->arena, left, text, strlen(text)) == STATUS_OK)
            printf("net %d: its config is %s\n", net->number, left);
    }
    return same;
}

/* One network after the other, each in a folder of its own, which is removed.  Returns how many differ. */
static int run_nets(const char *program, int nets, uint64_t seed, const char *keep, Tally *tally, int *refused)
{
    int different = 0;
    for (int i = 0; i < nets; i++) {
        Arena *arena = arena_create();
        const Net net = {arena, scratch_folder(arena), program, keep, i};
        different += !run_net(&net, seed, tally, refused);
        folder_remove(net.folder);
        arena_destroy(arena);
    }
    return different;
}

START_TEST(every_way_out_is_the_same_integers)
{
    const char *program = getenv("BITFOLD"), *nets_text = getenv("NETS"), *seed_text = getenv("SEED");
    const int nets = nets_text == NULL ? 0 : atoi(nets_text);
    ck_assert_msg(program != NULL && nets > 0 && seed_text != NULL, "BITFOLD, NETS, SEED: all three must be set");
    const uint64_t seed = strtoull(seed_text, NULL, 10);
    int targets = 0, refused = 0;
    while (random_targets[targets].name != NULL) targets++;
    Arena *arena = arena_create();
    Tally *tally = ARENA_ARRAY(arena, Tally, targets);
    for (int i = 0; i < targets; i++) tally[i].name = random_targets[i].name;
    setvbuf(stdout, NULL, _IOLBF, 0);
    const int different = run_nets(program, nets, seed, getenv("KEEP"), tally, &refused);
    bool idle = false;
    for (int i = 0; i < targets; i++) {
        printf("%-20s %5d carried, %4d refused, %10ld codes compared, %ld different\n", tally[i].name, tally[i].nets,
               tally[i].refused, tally[i].values, tally[i].different);
        idle |= tally[i].nets == 0;
    }
    if (refused > 0) printf("%d not made: refused in training or quantization\n", refused);
    printf("%d nets, %d different\n", nets - refused, different);
    arena_destroy(arena);
    ck_assert_int_eq(different, 0);
    ck_assert_msg(!idle, "a way out carried none of the networks");
    ck_assert_int_le(refused, nets / 5);
}
END_TEST

TEST_MAIN("random", every_way_out_is_the_same_integers)
