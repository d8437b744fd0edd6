#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "graph/graph.h"
#include "quant/quant_config.h"
#include "tests/random/random.h"

enum { MAX_LAYERS = 512 };

typedef struct {
    Arena *arena;
    Rng rng;
    char *text;
    int layers, h, w, c;       /* so far; the last layer's size */
    bool computes[MAX_LAYERS]; /* layers of sums, which can be in floats */
    bool curves;               /* layers may have one as their activation */
} Build;

static int pick(Build *b, int lo, int hi) { return lo + (int)rng_below(&b->rng, (uint32_t)(hi - lo + 1)); }
static bool chance(Build *b, int of) { return pick(b, 1, of) == 1; }

__attribute__((format(printf, 2, 3))) static void put(Build *b, const char *format, ...)
{
    char piece[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(piece, sizeof piece, format, arguments);
    va_end(arguments);
    b->text = arena_printf(b->arena, "%s%s", b->text, piece);
}

/* Begins a layer; it is named by its number. */
static void layer(Build *b, const char *type)
{
    put(b, "%s{\"type\": \"%s\", \"name\": \"l%d\"", b->layers == 0 ? "" : ",\n  ", type, b->layers);
    b->computes[b->layers++] = strstr(type, "conv2d") != NULL || strcmp(type, "dense") == 0 || strcmp(type, "add") == 0;
}

static int out_size(int in, int before, int after, int kernel, int stride, int dilation)
{
    const int room = in + before + after - ((kernel - 1) * dilation + 1);
    return room < 0 ? 0 : room / stride + 1;
}

/* A window that fits, with any kind of padding; the layer's rows and columns become its output's. */
static void window(Build *b, bool pool)
{
    int kh, kw, sh, sw, dh, dw, pad[4], h, w, kind;
    do {
        kh = pick(b, 1, 4), kw = pick(b, 1, 4);
        sh = pick(b, 1, 2), sw = pick(b, 1, 2);
        dh = pool || sh > 1 ? 1 : pick(b, 1, 2), dw = pool || sw > 1 ? 1 : pick(b, 1, 2);
        kind = pick(b, 0, 2);
        for (int i = 0; i < 4; i++) {
            const int kernel = i < 2 ? kh : kw;
            pad[i] = kind != 2 ? 0 : pick(b, 0, pool ? kernel - 1 : 2);
        }
        h = kind == 0 ? (b->h + sh - 1) / sh : out_size(b->h, pad[0], pad[1], kh, sh, dh);
        w = kind == 0 ? (b->w + sw - 1) / sw : out_size(b->w, pad[2], pad[3], kw, sw, dw);
    } while (h < 1 || w < 1);
    put(b, ", \"kernel\": [%d, %d], \"stride\": [%d, %d]", kh, kw, sh, sw);
    if (!pool) put(b, ", \"dilation\": [%d, %d]", dh, dw);
    if (kind == 2)
        put(b, ", \"pads\": [%d, %d, %d, %d]", pad[0], pad[1], pad[2], pad[3]);
    else
        put(b, ", \"padding\": \"%s\"", kind == 0 ? "same" : "valid");
    b->h = h, b->w = w;
}

static void batch_norm_and_activation(Build *b)
{
    static const char *const activations[] = {"none", "relu", "relu", "relu6"};
    if (chance(b, 2)) put(b, ", \"batch_norm\": true, \"bn_gamma\": %s", chance(b, 4) ? "-0.7" : "1");
    const bool curve = b->curves && chance(b, 4);
    put(b, ", \"activation\": \"%s\"}", curve ? curve_names[pick(b, 0, CURVES - 1)] : activations[pick(b, 0, 3)]);
}

static void conv(Build *b)
{
    int groups;
    do groups = pick(b, 1, b->c);
    while (b->c % groups != 0 || (groups > 1 && chance(b, 2)));
    const int filters = groups * pick(b, 1, 1 + 12 / groups);
    layer(b, "conv2d");
    put(b, ", \"filters\": %d, \"groups\": %d", filters, groups);
    window(b, false);
    batch_norm_and_activation(b);
    b->c = filters;
}

static void depthwise(Build *b)
{
    const int multiplier = b->c > 16 ? 1 : pick(b, 1, 2);
    layer(b, "depthwise_conv2d");
    put(b, ", \"multiplier\": %d", multiplier);
    window(b, false);
    batch_norm_and_activation(b);
    b->c *= multiplier;
}

static void pool(Build *b)
{
    layer(b, chance(b, 2) ? "maxpool" : "avgpool");
    window(b, true);
    put(b, "}");
}

static void activation(Build *b)
{
    layer(b, "activation");
    put(b, ", \"function\": \"%s\"}", chance(b, 2) ? "relu" : "relu6");
}

/* A convolution that keeps the size, reading layer `from`. */
static void branch(Build *b, int from, int filters)
{
    layer(b, "conv2d");
    put(b, ", \"inputs\": \"l%d\", \"filters\": %d, \"kernel\": %d", from, filters, chance(b, 2) ? 3 : 1);
    batch_norm_and_activation(b);
}

static void residual(Build *b)
{
    const int from = b->layers - 1;
    branch(b, from, b->c);
    const int branches = b->layers - 1;
    layer(b, "add");
    put(b, ", \"inputs\": [\"l%d\", \"l%d\"], \"activation\": \"%s\"}", from, branches, chance(b, 2) ? "none" : "relu");
}

static void concat(Build *b)
{
    const int from = b->layers - 1, branches = chance(b, 8) ? pick(b, 16, 40) : pick(b, 1, 3);
    int channels = b->c;
    for (int i = 0; i < branches; i++) {
        const int filters = branches > 3 ? 1 : pick(b, 1, 6);
        branch(b, from, filters);
        channels += filters;
    }
    const int first = b->layers - branches;
    layer(b, "concat");
    put(b, ", \"inputs\": [\"l%d\"", from);
    for (int i = 0; i < branches; i++) put(b, ", \"l%d\"", first + i);
    put(b, "]}");
    b->c = channels;
}

static void end(Build *b, int classes)
{
    const int kind = pick(b, 0, 3);
    if (kind == 0) layer(b, "global_avgpool"), put(b, "}");
    if (kind == 1) layer(b, "flatten"), put(b, "}");
    if (chance(b, 3)) {
        layer(b, "dense");
        put(b, ", \"units\": %d", pick(b, 4, 24));
        batch_norm_and_activation(b);
    }
    layer(b, "dense");
    put(b, ", \"units\": %d}", classes);
}

static void layers(Build *b, int classes)
{
    conv(b);
    const int blocks = pick(b, 1, 6);
    for (int i = 0; i < blocks; i++) {
        const int kind = pick(b, 0, 8);
        if (kind <= 2)
            conv(b);
        else if (kind == 3)
            depthwise(b);
        else if (kind == 4)
            pool(b);
        else if (kind == 5)
            activation(b);
        else if (kind == 6 || b->c > 24)
            residual(b);
        else
            concat(b);
    }
    end(b, classes);
}

static int bits(Build *b) { return chance(b, 2) ? 8 : pick(b, 2, 8); }

static const char *one_of(Build *b, const char *const *names)
{
    int n = 0;
    while (names[n] != NULL) n++;
    return names[pick(b, 0, n - 1)];
}

/* 2 bits need one that learns; `uses`: all that it must be for. */
static const char *quantizer(Build *b, int bits, unsigned uses)
{
    const char *name;
    do name = one_of(b, quantizer_choices);
    while ((bits == 2 && (quantizer_type(name) == NULL || !quantizer_type(name)->learns)) ||
           (quantizer_type(name) != NULL &&
            ((quantizer_type(name)->uses & uses) != uses || !quantizer_takes(quantizer_type(name), bits))));
    return name;
}

/* Some layers in floats, the first of them always; not the last, whose codes are compared. */
static void float_layers(Build *b)
{
    static const char *const formats[] = {"float32", "float32", "float16", "bfloat16"};
    const char *before = "";
    put(b, ",\n  \"overrides\": [");
    for (int i = 0; i < b->layers - 1; i++) {
        if (!b->computes[i] || (i > 0 && !chance(b, 3))) continue;
        put(b, "%s{\"layers\": \"l%d\", \"format\": \"%s\"}", before, i, formats[pick(b, 0, 3)]);
        before = ", ";
    }
    put(b, "]");
}

/* Some layers in 16 bits, the first of them always; the output in every other network. */
static void wide_layers(Build *b)
{
    const char *before = "";
    put(b, ",\n  \"output_bits\": %d, \"overrides\": [", chance(b, 2) ? 16 : 8);
    for (int i = 0; i < b->layers - 1; i++) {
        if (!b->computes[i] || (i > 0 && !chance(b, 2))) continue;
        put(b, "%s{\"layers\": \"l%d\", \"format\": \"int16\"}", before, i);
        before = ", ";
    }
    put(b, "]");
}

/* Ranges of 16 bits are observed, not learned. */
static const char *activation_quantizer(Build *b, int bits, bool wide)
{
    const char *name;
    do name = quantizer(b, bits, QUANTIZES_SIGNED | QUANTIZES_UNSIGNED);
    while (wide && quantizer_type(name) != NULL && quantizer_type(name)->learns);
    return name;
}

static void quant(Build *b, bool floats, bool wide)
{
    static const int ends[] = {8, 8, 0, 4};
    const int w = bits(b), a = wide ? 8 : bits(b);
    const char *w_quantizer = quantizer(b, w, QUANTIZES_WEIGHTS);
    const char *a_quantizer = activation_quantizer(b, a, wide);
    put(b, " \"quant\": {\"dialect\": \"%s\",\n", rounding_names[pick(b, 0, ROUNDINGS - 1)]);
    put(b, "  \"weights\": {\"bits\": %d, \"granularity\": \"%s\", \"quantizer\": \"%s\"},\n", w,
        chance(b, 2) ? "per_tensor" : "per_channel", w_quantizer);
    put(b, "  \"activations\": {\"bits\": %d, \"quantizer\": \"%s\", \"observer\": \"%s\", \"symmetric\": %s},\n", a,
        a_quantizer, one_of(b, observer_choices), chance(b, 4) ? "true" : "false");
    put(b, "  \"first_last_bits\": %d, \"avgpool_input_bits\": %d", ends[pick(b, 0, 3)], chance(b, 3) ? 0 : 8);
    if (floats) float_layers(b);
    if (wide) wide_layers(b);
    put(b, "},\n");
}

char *random_net(Arena *arena, uint64_t seed, int number)
{
    Build b = {.arena = arena,
               .rng = rng_make(seed, RNG_TEST, 1000 + (uint64_t)number),
               .text = arena_strdup(arena, ""),
               .curves = !random_net_is_wide(number)}; /* int16 codes have none */
    const int classes = pick(&b, 2, 10);
    b.h = pick(&b, 4, 15), b.w = pick(&b, 4, 15), b.c = pick(&b, 1, 4);
    put(&b, "{\"seed\": %d,\n \"data\": {\"dataset\": \"synthetic\", \"classes\": %d, \"synthetic_train\": 96, ",
        number + 1, classes);
    put(&b, "\"synthetic_test\": 32,\n  \"normalize\": {\"mean\": %s, \"std\": %s}},\n",
        chance(&b, 2) ? "0.5019607843137255" : "0.41", chance(&b, 2) ? "0.25" : "0.37");
    put(&b, " \"model\": {\"input\": [%d, %d, %d], \"layers\": [\n  ", b.h, b.w, b.c);
    layers(&b, classes);
    put(&b, "]},\n");
    quant(&b, random_net_in_floats(number), random_net_is_wide(number));
    put(&b,
        " \"train\": {\"epochs\": 1, \"batch\": 16, \"optimizer\": {\"lr\": 0.02}}, \"qat\": {\"epochs\": %d}, "
        "\"ptq\": {\"images\": 48}}\n",
        pick(&b, 1, 2));
    return b.text;
}
