/* The .tflite reader, and that what it accepts is written and read back as the same. */
#include <stdio.h>
#include <string.h>

#include "deploy/tflite/tflite_model.h"
#include "tests/fuzz/fuzz.h"

static void run(const uint8_t *data, size_t bytes)
{
    Arena *arena = arena_create();
    TfliteModel *m, *again;
    const Status status = tflite_check(arena, data, bytes, "m.tflite", &m);
    ASSERT(arena_used_bytes(arena) <= 2 * (TFLITE_READ_RATIO * bytes + TFLITE_READ_SLACK));
    if (status == STATUS_OK) {
        size_t written;
        const unsigned char *file = tflite_write(arena, m, &written);
        const char *what = NULL;
        ASSERT(tflite_check(arena, file, written, "again.tflite", &again) == STATUS_OK);
        if (!tflite_same(m, again, &what)) {
            fprintf(stderr, "fuzz: written and read again, these differ: %s\n", what);
            ASSERT(false);
        }
    }
    arena_destroy(arena);
}

/* ---- files that are well formed and say something odd ------------------------------------------------------------- */

static int32_t odd(Rng *rng, int32_t now)
{
    static const int32_t values[] = {0, 1, 2, 3, 4, 6, 8, 9, 127, 128, -1, -2, 65536, INT32_MAX, INT32_MIN};
    const uint32_t choice = rng_below(rng, 4);
    if (choice == 0) return now < INT32_MAX ? now + 1 : now;
    if (choice == 1) return now > INT32_MIN ? now - 1 : now;
    return values[rng_below(rng, sizeof values / sizeof values[0])];
}

/* The list, with one number changed or as long as `n` says. */
static const int32_t *odd_list(Arena *arena, Rng *rng, const int32_t *list, int n)
{
    int32_t *copy = ARENA_ARRAY(arena, int32_t, n + 1);
    if (n > 0) memcpy(copy, list, sizeof *copy * (size_t)n);
    if (n > 0) {
        int32_t *one = &copy[rng_below(rng, (uint32_t)n)];
        *one = odd(rng, *one);
    }
    return copy;
}

static void change_tensor(Arena *arena, Rng *rng, TfliteTensor *t)
{
    static const TfliteType types[] = {TFLITE_FLOAT32, TFLITE_INT32, TFLITE_UINT8,   TFLITE_INT64, TFLITE_BOOL,
                                       TFLITE_INT16,   TFLITE_INT8,  TFLITE_FLOAT16, TFLITE_INT4};
    static const float scales[] = {1e-38f, 1.0f, 3e38f, 0.0f, -1.0f};
    switch (rng_below(rng, 7)) {
    case 0:
        t->type = types[rng_below(rng, sizeof types / sizeof types[0])];
        break;
    case 1:
        t->shape = odd_list(arena, rng, t->shape, t->rank);
        break;
    case 2:
        if (t->rank > 0) t->rank--;
        t->signature_rank = 0;
        break;
    case 3:
        t->axis = odd(rng, t->axis);
        break;
    case 4:
        t->scale = &scales[rng_below(rng, 5)];
        t->scales = 1;
        break;
    case 5:
        t->zero_points = 0;
        break;
    default:
        t->data = NULL, t->data_bytes = 0;
    }
}

static void change_operator(Arena *arena, Rng *rng, TfliteOperator *o)
{
    switch (rng_below(rng, 5)) {
    case 0:
        o->op = &tflite_ops[rng_below(rng, TFLITE_OPS)];
        break;
    case 1:
        o->input = odd_list(arena, rng, o->input, o->inputs);
        break;
    case 2:
        o->output = odd_list(arena, rng, o->output, o->outputs);
        break;
    case 3:
        if (o->inputs > 0) o->inputs--;
        break;
    default: {
        int32_t *option = &o->option[rng_below(rng, TFLITE_MAX_OPTIONS)];
        *option = odd(rng, *option);
    }
    }
}

static void change_graph(Arena *arena, Rng *rng, TfliteModel *m)
{
    switch (rng_below(rng, 8)) {
    case 0:
        m->input = odd_list(arena, rng, m->input, m->inputs);
        break;
    case 1:
        m->output = odd_list(arena, rng, m->output, m->outputs);
        break;
    case 2:
        if (m->operators > 1) m->operators--;
        break;
    case 3:
        if (m->input_names > 0) m->input_name[0].tensor = odd(rng, m->input_name[0].tensor);
        break;
    case 4:
        m->signature_key = rng_below(rng, 2) == 0 ? NULL : "";
        m->input_names = m->output_names = 0;
        break;
    case 5:
        m->metadata = m->description, m->metadata_bytes = strlen(m->description);
        break;
    case 6:
        if (m->tensors > 1) m->tensors--;
        break;
    default:
        if (m->operators > 1) {
            const TfliteOperator first = m->node[0];
            m->node[0] = m->node[m->operators - 1];
            m->node[m->operators - 1] = first;
        }
    }
}

static size_t change_model(Arena *arena, uint8_t *data, size_t bytes, size_t room, Rng *rng)
{
    TfliteModel *m;
    if (tflite_check(arena, data, bytes, "m.tflite", &m) != STATUS_OK) return 0;
    for (uint32_t i = 0, changes = rng_below(rng, 3); i <= changes; i++) {
        const uint32_t kind = rng_below(rng, 5);
        if (kind < 2 && m->tensors > 0)
            change_tensor(arena, rng, &m->tensor[rng_below(rng, (uint32_t)m->tensors)]);
        else if (kind < 4 && m->operators > 0)
            change_operator(arena, rng, &m->node[rng_below(rng, (uint32_t)m->operators)]);
        else
            change_graph(arena, rng, m);
    }
    size_t now;
    const unsigned char *file = tflite_write(arena, m, &now);
    if (now > room) return 0;
    memcpy(data, file, now);
    return now;
}

/* References stand at multiples of 4: one word changed a little says more than random bytes. */
static void change_word(uint8_t *data, size_t bytes, Rng *rng)
{
    int32_t word;
    uint8_t *at = data + 4 * rng_below(rng, (uint32_t)(bytes / 4));
    memcpy(&word, at, sizeof word);
    const int32_t near = (int32_t)((uint32_t)word + 4u * rng_below(rng, 9) - 16u);
    word = rng_below(rng, 2) == 0 ? odd(rng, word) : near;
    memcpy(at, &word, sizeof word);
}

static size_t mutate(uint8_t *data, size_t bytes, size_t room, Rng *rng, FuzzBytes *change)
{
    const uint32_t choice = rng_below(rng, 8);
    if (choice < 2 || bytes < 8) return change(data, bytes, room);
    if (choice < 4) {
        change_word(data, bytes, rng);
        return bytes;
    }
    Arena *arena = arena_create();
    const size_t now = change_model(arena, data, bytes, room, rng);
    arena_destroy(arena);
    return now > 0 ? now : change(data, bytes, room);
}

const FuzzTarget fuzz_tflite = {.name = "tflite", .per_byte = 4 * TFLITE_READ_RATIO, .run = run, .mutate = mutate};
