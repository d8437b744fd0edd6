#include "bench/convolutions.h"

#include "base/align.h"

const char *const direction_names[DIRECTIONS] = {"forward", "from codes", "bwd data", "bwd weights", "int8"};

struct Convolution {
    ConvGeom g;
    bool depthwise;
    const ConvS8 *s8;
    int threads, images;
    size_t nx, ny, nw, most; /* elements of a part: input, output, weights; the most that a direction writes */
    ConvInput floats, codes;
    const float *w, *dy;
    float *packed, *out;
    const int8_t *qw;
    void *packed_s8;
    int32_t *acc;
    char *scratch;
    size_t scratch_bytes;
    Direction direction;
};

static size_t largest(size_t a, size_t b) { return a > b ? a : b; }

Convolution *convolution_make(Arena *arena, const BenchShape *shape, int threads, int images)
{
    Convolution *c = ARENA_ARRAY(arena, Convolution, 1);
    const ConvGeom *g = &shape->g;
    *c = (Convolution){.g = *g, .depthwise = shape->depthwise, .threads = threads, .images = images};
    c->s8 = conv_s8_of(c->depthwise);
    c->nx = (size_t)images * (size_t)(g->h * g->w * g->c);
    c->ny = (size_t)images * (size_t)(g->oh * g->ow * g->o);
    c->nw = (size_t)(g->o * g->kh * g->kw * (g->c / g->groups));
    c->most = largest(c->nx, largest(c->ny, c->nw));
    const size_t all = (size_t)threads;
    c->codes = (ConvInput){.codes = random_codes(arena, all * c->nx, 1), .scale = 0.02f, .zero_point = 3};
    c->floats = (ConvInput){.x = random_floats(arena, all * c->nx, 2)};
    c->w = random_floats(arena, c->nw, 3), c->dy = random_floats(arena, all * c->ny, 4);
    c->qw = random_codes(arena, c->nw, 5);
    c->packed = ARENA_ARRAY(arena, float, conv_f32_packed_count(g));
    c->packed_s8 = arena_alloc(arena, c->s8->packed_bytes(g));
    c->out = ARENA_ARRAY(arena, float, all * c->most), c->acc = ARENA_ARRAY(arena, int32_t, all * c->most);
    const size_t floats = conv_scratch_bytes(g);
    const size_t integers = c->s8->scratch_bytes(g);
    c->scratch_bytes = align_up(largest(floats, integers));
    c->scratch = arena_alloc(arena, all * c->scratch_bytes);
    return c;
}

static void prepare(void *context)
{
    Convolution *c = context;
    c->s8->pack(&c->g, c->qw, c->packed_s8);
    if (!c->depthwise) conv_f32_pack(&c->g, c->w, c->packed);
}

static void run_depthwise(const Convolution *c, ConvInput x, const float *dy, float *out)
{
    const Kernels *t = kernels();
    const ConvGeom *g = &c->g;
    const int n = c->images;
    if (c->direction == FORWARD || c->direction == FORWARD_CODES) t->dwconv_f32_forward(g, n, x, c->w, out);
    if (c->direction == BACKWARD_DATA) t->dwconv_f32_backward_data(g, n, dy, c->w, out);
    if (c->direction == BACKWARD_WEIGHTS) t->dwconv_f32_backward_weights(g, n, x, dy, out);
}

static void run_part(void *context, int part)
{
    const Convolution *c = context;
    const ConvGeom *g = &c->g;
    const int n = c->images;
    const size_t at = (size_t)part;
    const bool codes = c->direction == FORWARD_CODES || c->direction == FORWARD_S8;
    const ConvInput x = input_at(codes ? &c->codes : &c->floats, (ptrdiff_t)(at * c->nx));
    const float *dy = c->dy + at * c->ny;
    float *out = c->out + at * c->most;
    int32_t *acc = c->acc + at * c->most;
    void *scratch = c->scratch + at * c->scratch_bytes;
    if (c->direction == FORWARD_S8) {
        c->s8->sums(g, n, x.codes, x.zero_point, c->packed_s8, acc, scratch);
        return;
    }
    if (c->depthwise) {
        run_depthwise(c, x, dy, out);
        return;
    }
    if (c->direction == FORWARD || c->direction == FORWARD_CODES) conv_f32_forward(g, n, x, c->packed, out, scratch);
    if (c->direction == BACKWARD_DATA) conv_f32_backward_data(g, n, dy, c->w, out);
    if (c->direction == BACKWARD_WEIGHTS) conv_f32_backward_weights(g, n, x, dy, out, scratch);
}

Race convolution_race(Convolution *c, Direction direction)
{
    c->direction = direction;
    const bool exact = direction == FORWARD_S8;
    return (Race){.threads = c->threads,
                  .prepare = prepare,
                  .run = run_part,
                  .context = c,
                  .out = exact ? (void *)c->acc : (void *)c->out,
                  .out_bytes = (size_t)c->threads * c->most * sizeof(float),
                  .exact = exact};
}

double convolution_operations(const Convolution *c)
{
    const ConvGeom *g = &c->g;
    return 2.0 * c->threads * (double)c->ny * g->kh * g->kw * (g->c / g->groups);
}
