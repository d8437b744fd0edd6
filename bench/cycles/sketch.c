#include "bench/cycles/sketch.h"

#include <stdbool.h>

#include "base/rng.h"

typedef struct {
    Arena *arena;
    Rng rng;
    const char *layers; /* so far */
    int h, w, c;        /* of the last one's output */
    int number;
} Sketch;

static int between(Sketch *s, int least, int most)
{
    return least + (int)rng_below(&s->rng, (uint32_t)(most - least + 1));
}
static bool one_in(Sketch *s, int n) { return rng_below(&s->rng, (uint32_t)n) == 0; }

static void begin(Sketch *s, int least_side, int most_side, int least_channels, int most_channels)
{
    s->h = between(s, least_side, most_side), s->w = between(s, least_side, most_side);
    s->c = between(s, least_channels, most_channels);
    s->layers = arena_printf(s->arena, "\"input\":[%d,%d,%d],\"layers\":[", s->h, s->w, s->c);
}

#define ADD_LAYER(s, ...)                                                                                              \
    ((s)->layers = arena_printf((s)->arena, "%s%s", (s)->layers, arena_printf((s)->arena, __VA_ARGS__)))

static int output_size(int in, int kernel, int stride, int dilation, bool same)
{
    return same ? (in + stride - 1) / stride : (in - ((kernel - 1) * dilation + 1)) / stride + 1;
}

typedef struct {
    int kh, kw, sh, sw, dilation;
    bool same;
} Window;

static Window window(Sketch *s, int most_kernel, int most_stride, bool dilated)
{
    Window w = {.kh = between(s, 1, most_kernel), .sh = between(s, 1, most_stride), .same = !one_in(s, 3)};
    w.kw = one_in(s, 3) ? between(s, 1, most_kernel) : w.kh;
    w.sw = one_in(s, 3) ? between(s, 1, most_stride) : w.sh;
    if (w.kh > s->h) w.kh = s->h;
    if (w.kw > s->w) w.kw = s->w;
    w.dilation = dilated && w.sh == 1 && w.sw == 1 && one_in(s, 5) && 2 * w.kh <= s->h && 2 * w.kw <= s->w ? 2 : 1;
    return w;
}

static const char *window_text(Sketch *s, const Window *w)
{
    s->h = output_size(s->h, w->kh, w->sh, w->dilation, w->same);
    s->w = output_size(s->w, w->kw, w->sw, w->dilation, w->same);
    return arena_printf(s->arena, "\"kernel\":[%d,%d],\"stride\":[%d,%d],\"padding\":\"%s\"%s", w->kh, w->kw, w->sh,
                        w->sw, w->same ? "same" : "valid", w->dilation == 2 ? ",\"dilation\":2" : "");
}

static const char *activation(Sketch *s)
{
    static const char *const text[] = {"none", "relu", "relu", "relu6"};
    return text[rng_below(&s->rng, 4)];
}

static void conv2d(Sketch *s, int filters, int groups, Window w)
{
    ADD_LAYER(s, "{\"type\":\"conv2d\",\"filters\":%d,\"groups\":%d,%s,\"activation\":\"%s\"},", filters, groups,
              window_text(s, &w), activation(s));
    s->c = filters;
}

/* Ten classes, by a convolution of the whole map. */
static void head(Sketch *s)
{
    ADD_LAYER(s, "{\"type\":\"conv2d\",\"filters\":10,\"kernel\":[%d,%d],\"padding\":\"valid\"}]", s->h, s->w);
}

static void sketch_conv2d(void *sketch)
{
    Sketch *s = sketch;
    begin(s, 5, 14, 1, 20);
    for (int i = 0; i < 2; i++) conv2d(s, between(s, 2, 24), 1, window(s, 5, 2, true));
    head(s);
}

/* Beside pools: what finds a window is then shared. */
static void sketch_pooled(void *sketch)
{
    Sketch *s = sketch;
    begin(s, 8, 14, 1, 12);
    for (int i = 0; i < 2; i++) conv2d(s, between(s, 2, 16), 1, window(s, 5, 1, false));
    ADD_LAYER(s, "{\"type\":\"%s\",\"kernel\":2,\"padding\":\"same\"},", s->number % 4 < 2 ? "maxpool" : "avgpool");
    s->h = (s->h + 1) / 2, s->w = (s->w + 1) / 2;
    head(s);
}

static void sketch_cells(void *sketch)
{
    Sketch *s = sketch;
    begin(s, 5, 10, 3, 48);
    for (int i = 0; i < 2; i++) conv2d(s, between(s, 4, 40), 1, (Window){1, 1, 1, one_in(s, 4) ? 2 : 1, 1, true});
    head(s);
}

static void sketch_groups(void *sketch)
{
    Sketch *s = sketch;
    const int groups = between(s, 2, 4);
    begin(s, 5, 10, 1, 1);
    s->c = groups * between(s, 1, 6);
    s->layers = arena_printf(s->arena, "\"input\":[%d,%d,%d],\"layers\":[", s->h, s->w, s->c);
    for (int i = 0; i < 2; i++) conv2d(s, groups * between(s, 1, 6), groups, window(s, 3, 2, true));
    head(s);
}

static void sketch_depthwise(void *sketch)
{
    Sketch *s = sketch;
    begin(s, 6, 14, 1, 24);
    for (int i = 0; i < 3; i++) {
        const Window w = window(s, 5, 2, true);
        const int multiplier = s->c < 8 && one_in(s, 3) ? between(s, 2, 3) : 1;
        ADD_LAYER(s, "{\"type\":\"depthwise_conv2d\",\"multiplier\":%d,%s,\"activation\":\"%s\"},", multiplier,
                  window_text(s, &w), activation(s));
        s->c *= multiplier;
    }
    conv2d(s, 6, 1, (Window){1, 1, 1, 1, 1, true});
    head(s);
}

static void sketch_separable(void *sketch)
{
    Sketch *s = sketch;
    begin(s, 6, 12, 4, 16);
    for (int i = 0; i < 2; i++) {
        const Window w = {3, 3, 1, 1, 1, true};
        ADD_LAYER(s, "{\"type\":\"depthwise_conv2d\",%s,\"activation\":\"relu\"},", window_text(s, &w));
        conv2d(s, 4 * between(s, 2, 6), 1, (Window){1, 1, 1, 1, 1, true});
    }
    head(s);
}

static void sketch_dense(void *sketch)
{
    Sketch *s = sketch;
    begin(s, 4, 9, 1, 8);
    ADD_LAYER(s, "{\"type\":\"flatten\"},");
    for (int i = 0; i < 2; i++)
        ADD_LAYER(s, "{\"type\":\"dense\",\"units\":%d,\"activation\":\"%s\"},", between(s, 5, 120), activation(s));
    ADD_LAYER(s, "{\"type\":\"dense\",\"units\":10}]");
}

/* Rows and columns of windows differ, so that what a row costs is told from what a cell costs. */
static void pools(Sketch *s, const char *type)
{
    begin(s, 12, 18, 1, 16);
    if (s->number >= 2) conv2d(s, between(s, 2, 8), 1, (Window){1, 1, 1, 1, 1, true}); /* the image is int8 codes */
    for (int i = 0; i < 2; i++) {
        const int wide = between(s, 3, 6), narrow = between(s, 1, 2);
        const Window w = {(s->number + i) % 2 == 0 ? wide : narrow,
                          one_in(s, 3) || (s->number + i) % 2 == 1 ? wide : narrow,
                          1,
                          1 + i,
                          1,
                          !one_in(s, 3)};
        ADD_LAYER(s, "{\"type\":\"%s\",%s},", type, window_text(s, &w));
    }
    conv2d(s, 3, 1, (Window){1, 1, 2, 2, 1, true});
    head(s);
}

static void sketch_maxpool(void *sketch) { pools(sketch, "maxpool"); }
static void sketch_avgpool(void *sketch) { pools(sketch, "avgpool"); }

/* Outputs whose scales no few weights can make small: multipliers near 1, whose products need all bits. */
static void sketch_steep(void *sketch)
{
    Sketch *s = sketch;
    begin(s, 8, 12, 1, 3);
    for (int i = 0; i < 2; i++) {
        ADD_LAYER(s, "{\"type\":\"depthwise_conv2d\",\"kernel\":1,\"batch_norm\":true,\"bn_gamma\":10,"
                     "\"activation\":\"relu6\"},");
        ADD_LAYER(s,
                  "{\"type\":\"conv2d\",\"filters\":%d,\"kernel\":1,\"batch_norm\":true,\"bn_gamma\":10,"
                  "\"activation\":\"relu6\"},",
                  s->c = between(s, 3, 24));
    }
    head(s);
}

/* a and b, read twice each. */
static void operands(Sketch *s)
{
    begin(s, 8, 16, 4, 12);
    for (int i = 0; i < 2; i++)
        ADD_LAYER(s,
                  "{\"type\":\"conv2d\",\"name\":\"%c\",\"inputs\":\"input\",\"filters\":%d,\"kernel\":1,"
                  "\"activation\":\"%s\"},",
                  'a' + i, s->c, i == 0 ? "relu" : "none");
}

/* Additions, of outputs and row by row; formats may differ at the layers f... and i... */
static void sketch_add(void *sketch)
{
    Sketch *s = sketch;
    operands(s);
    ADD_LAYER(s, "{\"type\":\"add\",\"name\":\"f1\",\"inputs\":[\"a\",\"b\"]},"
                 "{\"type\":\"add\",\"name\":\"i1\",\"inputs\":[\"f1\",\"b\"],\"activation\":\"relu\"},"
                 "{\"type\":\"add\",\"name\":\"f2\",\"inputs\":[\"i1\",\"a\"],\"activation\":\"relu6\"},"
                 "{\"type\":\"add\",\"name\":\"i2\",\"inputs\":[\"f2\",\"f1\"]},");
    if (s->number % 2 == 0)
        ADD_LAYER(s,
                  "{\"type\":\"conv2d\",\"name\":\"d\",\"filters\":%d,\"kernel\":%d},"
                  "{\"type\":\"add\",\"inputs\":[\"d\",\"i2\"]},",
                  s->c, between(s, 1, 3));
    head(s);
}

static void sketch_multiply(void *sketch)
{
    Sketch *s = sketch;
    operands(s);
    ADD_LAYER(
        s,
        "{\"type\":\"multiply\",\"name\":\"m\",\"inputs\":[\"a\",\"b\"]},"
        "{\"type\":\"conv2d\",\"name\":\"g\",\"inputs\":\"a\",\"filters\":%d,\"kernel\":[%d,%d],\"padding\":\"valid\"},"
        "{\"type\":\"multiply\",\"name\":\"n\",\"inputs\":[\"m\",\"g\"]},"
        "{\"type\":\"multiply\",\"inputs\":[\"n\",\"b\"],\"activation\":\"relu\"},",
        s->c, s->h, s->w);
    head(s);
}

/* Concatenations and other grids. */
static void sketch_concat(void *sketch)
{
    Sketch *s = sketch;
    operands(s);
    ADD_LAYER(s, "{\"type\":\"concat\",\"name\":\"p\",\"inputs\":[\"a\",\"b\"]},"
                 "{\"type\":\"concat\",\"name\":\"q\",\"inputs\":[\"p\",\"b\"]},"
                 "{\"type\":\"activation\",\"name\":\"r\",\"inputs\":\"p\",\"function\":\"relu\"},"
                 "{\"type\":\"activation\",\"name\":\"t\",\"inputs\":\"b\",\"function\":\"relu6\"},"
                 "{\"type\":\"concat\",\"inputs\":[\"r\",\"t\",\"q\"]},");
    head(s);
}

/* In integers a table for each, in floats curves of two kinds.  The image of zeros stays 0 in no more than the first. */
static void sketch_curves(void *sketch)
{
    static const char *const curves[2][3] = {{"hard_sigmoid", "hard_swish", "hard_sigmoid"},
                                             {"sigmoid", "tanh", "silu"}};
    Sketch *s = sketch;
    begin(s, 6, 12, 2, 8);
    for (int i = 0; i < 2; i++) conv2d(s, between(s, 2, 6), 1, (Window){1, 1, 1, 1, 1, true});
    for (int i = 0; i < 3; i++)
        ADD_LAYER(s, "{\"type\":\"activation\",\"function\":\"%s\"},", curves[s->number / 2 % 2][i]);
    head(s);
}

/* Of -1 and 1 on both sides behind the first layer: one filter of some words, and windows that leave the image or not. */
static void sketch_binary(void *sketch)
{
    Sketch *s = sketch;
    begin(s, 5, 11, 1, 3);
    ADD_LAYER(s, "{\"type\":\"conv2d\",\"name\":\"stem\",\"filters\":%d,\"kernel\":1},", s->c = between(s, 3, 40));
    for (int i = 0; i < 2; i++) {
        const Window w = window(s, 4, 1 + i, true);
        ADD_LAYER(s, "{\"type\":\"conv2d\",\"filters\":%d,%s},", s->c = between(s, 2, 24), window_text(s, &w));
    }
    if (s->number % 2 == 0) ADD_LAYER(s, "{\"type\":\"dense\",\"units\":%d},", between(s, 5, 90));
    if (s->number % 2 == 0) s->h = s->w = 1;
    head(s);
}

const SketchFamily sketch_families[SKETCH_FAMILIES] = {
    {"conv2d", 20, sketch_conv2d},      {"cells", 8, sketch_cells},
    {"groups", 6, sketch_groups},       {"depthwise", 14, sketch_depthwise},
    {"separable", 4, sketch_separable}, {"dense", 8, sketch_dense},
    {"maxpool", 8, sketch_maxpool},     {"avgpool", 8, sketch_avgpool},
    {"steep", 4, sketch_steep},         {"add", 6, sketch_add},
    {"multiply", 4, sketch_multiply},   {"concat", 6, sketch_concat},
    {"pooled", 12, sketch_pooled},      {"curves", 6, sketch_curves},
    {"binary", 12, sketch_binary},
};

const char *sketch_network(Arena *arena, const SketchFamily *family, int number)
{
    Sketch s = {.arena = arena,
                .rng = rng_make(2, RNG_TEST, (uint64_t)(family - sketch_families) * 1000 + (uint64_t)number),
                .number = number};
    family->sketch(&s);
    return s.layers;
}
