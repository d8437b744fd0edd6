/* What stands around a model in C: the header, input and answer, the self-test. */
#include <string.h>

#include "base/rng.h"
#include "deploy/c/c_writer.h"

static char *minus(const CWriter *w, int value)
{
    return arena_printf(w->arena, value < 0 ? "+ %d" : "- %d", value < 0 ? -value : value);
}

/* ---- the header -------------------------------------------------------------------------------------------------- */

static void write_about(const CWriter *w)
{
    const Graph *g = w->g;
    const GraphTensor *x = &g->tensor[0], *y = &g->tensor[g->output];
    fprintf(w->out,
            " * Model \"%s\", dialect %s, int8 in, %s out, %s, no heap, no library.\n *\n"
            " * in:  %d x %d x %d codes, [row][column][channel]; real = %.9g * (code %s)\n",
            c_comment(w->arena, g->model_name), rounding_names[g->rounding],
            c_float_answer(w) ? "float" : format_names[y->format],
            graph_is_integer(g) ? "no floating point" : "some layers in floats", x->h, x->w, x->c, (double)x->scale,
            minus(w, x->zero_point));
    if (c_float_answer(w))
        fprintf(w->out, " * out: %d floats, one for each %s\n", g->classes, c_answer(w)->each);
    else
        fprintf(w->out, " * out: %d codes, one for each %s; real = %.9g * (code %s)\n", g->classes, c_answer(w)->each,
                (double)y->scale, minus(w, y->zero_point));
    if (g->class_names != NULL) {
        int column = fprintf(w->out, " * %s:", c_answer(w)->all);
        for (int i = 0; i < g->classes; i++) {
            const char *name = c_comment(w->arena, g->class_names[i]);
            if (column + (int)strlen(name) > 116) column = fprintf(w->out, "\n *   ") - 1;
            column += fprintf(w->out, " %s%s", name, i + 1 < g->classes ? "," : "");
        }
        fputs("\n", w->out);
    }
    fputs(" *\n", w->out);
    c_cost_print(w->arena, g, &w->cost, " * ", false, w->out);
}

static bool has_curves(const Graph *g)
{
    bool has = false;
    for (int i = 0; i < g->nodes; i++) has |= g->node[i].curve != NULL;
    return has;
}

/* How to build, to prepare an image and to read the answer. */
static void write_usage(const CWriter *w)
{
    const char *p = w->prefix, *P = w->upper;
    const char *self_test = w->golden > 0 ? arena_printf(w->arena, " or %s_SELF_TEST", P) : "";
    fprintf(w->out,
            " *\n"
            " * Image: %s_quantize_pixels makes codes of camera bytes, which stand for the real numbers\n"
            " * (byte / 255 - mean) / std, with %s_MEAN and %s_STD of the channel.\n",
            p, P, P);
    c_answer(w)->usage(w);
    fprintf(
        w->out,
        " * Build: define %s_WITH_FLOATS%s for the source and for every file\n"
        " * that calls what is under it, as a switch of the compiler: -D%s_WITH_FLOATS.\n"
        " * Link: the code calls no library, but compilers put in calls of memcpy, memmove, memset and memcmp and, on\n"
        " * cores without the instructions, of their own helpers for division and for 64-bit products and shifts.\n",
        P, self_test, P);
    if (!graph_is_integer(w->g))
        fputs(
            " * Floats: sums are made in a fixed order, each product rounded before it is added.  Every compiler for\n"
            " * IEEE 754 floats then gives the same bits if it fuses none (-ffp-contract=off, part of gcc's -std=c99) "
            "and\n"
            " * takes no liberties (no -ffast-math).\n",
            w->out);
    if (has_curves(w->g))
        fputs(" * Curves are computed in double, which has helpers of the compiler on most cores.\n", w->out);
}

static void write_declarations(const CWriter *w)
{
    const char *p = w->prefix, *P = w->upper;
    fprintf(w->out,
            "/* One image to one answer.  in and out do not overlap; the arena is static, so one call at a time. */\n"
            "void %s_run(const int8_t *in, %s *out);\n\n"
            "/* Camera bytes, %d x %d x %d, [row][column][channel], to codes. */\n"
            "void %s_quantize_pixels(const uint8_t *pixels, int8_t *in);\n",
            p, c_answer_type(w), w->g->tensor[0].h, w->g->tensor[0].w, w->g->tensor[0].c, p);
    c_answer(w)->declare(w);
    if (c_float_answer(w))
        fprintf(w->out,
                "\n#ifdef %s_WITH_FLOATS\n"
                "/* Real numbers, (byte / 255 - mean) / std, to codes. */\n"
                "void %s_quantize(const float *values, int8_t *in);\n"
                "#endif\n",
                P, p);
    else
        fprintf(w->out,
                "\n#ifdef %s_WITH_FLOATS /* beside the data path, for those who have floats anyhow */\n"
                "/* Real numbers, (byte / 255 - mean) / std, to codes; codes of the answer to %s. */\n"
                "void %s_quantize(const float *values, int8_t *in);\n"
                "void %s_dequantize(const %s *out, float *%s);\n"
                "#endif\n",
                P, c_answer(w)->reals, p, p, c_answer_type(w), c_answer(w)->values);
    if (w->golden > 0)
        fprintf(w->out,
                "\n#ifdef %s_SELF_TEST\n"
                "/* Runs %d image%s of random codes; 0: every answer is the expected one, n: the n-th is not. */\n"
                "int %s_self_test(void);\n"
                "#endif\n",
                P, w->golden, w->golden == 1 ? "" : "s", p);
}

void c_write_header(const CWriter *w)
{
    const GraphTensor *x = &w->g->tensor[0], *y = &w->g->tensor[w->g->output];
    const char *P = w->upper;
    write_about(w);
    write_usage(w);
    fprintf(w->out,
            " */\n#ifndef %s_H\n#define %s_H\n\n#include <stddef.h>\n#include <stdint.h>\n\n"
            "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
            "#define %s_HEIGHT %d\n#define %s_WIDTH %d\n#define %s_CHANNELS %d\n"
            "#define %s_INPUT_BYTES %zu\n#define %s_OUTPUT_BYTES %zu\n"
            "#define %s_FLASH_BYTES %zu\n#define %s_ARENA_BYTES %zu\n#define %s_MACS %ld\n\n"
            "/* real = scale * (code - zero point) */\n"
            "#define %s_INPUT_SCALE %s\n#define %s_INPUT_ZERO_POINT %s\n",
            P, P, P, x->h, P, x->w, P, x->c, P, w->cost.input_bytes, P, w->cost.output_bytes, P, w->cost.flash_bytes, P,
            w->cost.arena_bytes, P, w->cost.macs, P, c_literal(w, x->scale), P,
            arena_printf(w->arena, x->zero_point < 0 ? "(%d)" : "%d", x->zero_point));
    if (c_float_answer(w))
        fprintf(w->out, "\n/* Floats of an answer. */\n#define %s_OUTPUTS %d\n", P, w->g->classes);
    else
        fprintf(w->out, "#define %s_OUTPUT_SCALE %s\n#define %s_OUTPUT_ZERO_POINT %s\n", P, c_literal(w, y->scale), P,
                arena_printf(w->arena, y->zero_point < 0 ? "(%d)" : "%d", y->zero_point));
    if (c_wide_answer(w))
        fprintf(w->out, "\n/* Codes of an answer, of %zu bytes each. */\n#define %s_OUTPUTS %d\n",
                format_bytes(y->format), P, w->g->classes);
    fputs("\n/* By channel, for an array: real = (byte / 255 - mean) / std. */\n", w->out);
    c_write_list(w, "MEAN", w->g->mean, w->g->channels);
    c_write_list(w, "STD", w->g->std, w->g->channels);
    c_answer(w)->constants(w);
    fputc('\n', w->out);
    write_declarations(w);
    fputs("\n#ifdef __cplusplus\n}\n#endif\n", w->out);
}

void c_write_header_end(const CWriter *w) { fputs("\n#endif\n", w->out); }

/* ---- input and answer -------------------------------------------------------------------------------------------- */

static void write_quantize_pixels(const CWriter *w)
{
    const int channels = w->g->channels;
    const CPixels pixel = c_pixels(w->arena, w->g);
    const int tables = pixel.tables;
    if (tables > 0) {
        fprintf(w->out, "/* The code of each pixel value%s. */\n", tables == 1 ? "" : ", by channel");
        c_write_array(w, "int8_t", "pixel_code", 256L * tables, pixel.code, 1);
        fputs("\n", w->out);
    }
    fprintf(w->out,
            "void %s_quantize_pixels(const uint8_t *pixels, int8_t *in)\n{\n"
            "    for (int32_t i = 0; i < %s_INPUT_BYTES; i++) in[i] = %s;\n}\n\n",
            w->prefix, w->upper,
            tables == 0   ? "(int8_t)(pixels[i] - 128)"
            : tables == 1 ? "pixel_code[pixels[i]]"
                          : arena_printf(w->arena, "pixel_code[256 * (i %% %d) + pixels[i]]", channels));
}

static void write_floats(const CWriter *w)
{
    const GraphTensor *x = &w->g->tensor[0];
    fprintf(w->out,
            "#ifdef %s_WITH_FLOATS\n"
            "/* Divided, clipped, rounded half to even. */\n"
            "void %s_quantize(const float *values, int8_t *in)\n{\n"
            "    for (int32_t i = 0; i < %s_INPUT_BYTES; i++) {\n"
            "        const float real = values[i] / %s_INPUT_SCALE;\n"
            "        const float low = real > %s ? real : %s, v = low < %s ? low : %s;\n"
            "        const int32_t whole = (int32_t)v;\n"
            "        const float rest = v - (float)whole;\n"
            "        const int32_t odd = whole %% 2 != 0;\n"
            "        const int32_t up = rest > 0.5f || (rest >= 0.5f && odd);\n"
            "        const int32_t down = rest < -0.5f || (rest <= -0.5f && odd);\n"
            "        in[i] = (int8_t)(whole + up - down + %s_INPUT_ZERO_POINT);\n"
            "    }\n}\n\n",
            w->upper, w->prefix, w->upper, w->upper, c_literal(w, (float)(x->qmin - x->zero_point)),
            c_literal(w, (float)(x->qmin - x->zero_point)), c_literal(w, (float)(x->qmax - x->zero_point)),
            c_literal(w, (float)(x->qmax - x->zero_point)), w->upper);
    if (!c_float_answer(w)) c_answer(w)->dequantize(w);
    fputs("#endif\n\n", w->out);
}

void c_write_helpers(const CWriter *w)
{
    write_quantize_pixels(w);
    c_answer(w)->define(w);
    write_floats(w);
}

/* ---- the self-test ----------------------------------------------------------------------------------------------- */

/* What it compares, codes or floats; the end of the loop over one answer. */
static void write_compare(const CWriter *w)
{
    const char *P = w->upper;
    if (!c_float_answer(w)) {
        fprintf(w->out,
                "        for (int i = 0; i < %s_%s; i++)\n"
                "            if (out[i] != golden_out[n * %s_%s + i]) return n + 1;\n",
                P, c_answer_count(w), P, c_answer_count(w));
        return;
    }
    fprintf(w->out,
            "        const float *expected = golden_out + n * %s_OUTPUTS;\n"
            "        float most = 0.0f;\n"
            "        for (int i = 0; i < %s_OUTPUTS; i++) {\n"
            "            const float size = expected[i] < 0.0f ? -expected[i] : expected[i];\n"
            "            most = size > most ? size : most;\n"
            "        }\n"
            "        for (int i = 0; i < %s_OUTPUTS; i++) {\n"
            "            const float off = out[i] - expected[i], bound = 1e-5f * most;\n"
            "            if (!(off <= bound && off >= -bound)) return n + 1;\n"
            "        }\n",
            P, P, P);
}

Status c_write_self_test(const CWriter *w)
{
    enum { SEED = 1 };
    const GraphTensor *x = &w->g->tensor[0];
    const long input = (long)w->cost.input_bytes, output = (long)w->cost.output_bytes;
    const bool floats = c_float_answer(w);
    const int width = floats ? 1 : (int)format_bytes(w->g->tensor[w->g->output].format);
    if (w->golden == 0) return STATUS_OK;
    int8_t *in = arena_alloc(w->arena, (size_t)(w->golden * input));
    void *out = arena_alloc(w->arena, (size_t)(w->golden * output));
    Rng rng = rng_make(SEED, RNG_TEST, 0);
    for (long i = 0; i < w->golden * input; i++)
        in[i] = (int8_t)(x->qmin + (int)rng_below(&rng, (uint32_t)(x->qmax - x->qmin + 1)));
    TRY(c_golden(w->arena, w->g, in, w->golden, out));
    fprintf(w->out, "#ifdef %s_SELF_TEST\n", w->upper);
    c_write_array(w, "int8_t", "golden_in", w->golden * input, in, 1);
    if (floats)
        c_write_floats(w, "golden_out", (long)w->golden * w->g->classes, out);
    else
        c_write_array(w, c_answer_type(w), "golden_out", w->golden * output / width, out, width);
    fprintf(w->out,
            "\nint %s_self_test(void)\n{\n"
            "    static %s out[%s_%s];\n"
            "    for (int n = 0; n < %d; n++) {\n"
            "        %s_run(golden_in + n * %s_INPUT_BYTES, out);\n",
            w->prefix, c_answer_type(w), w->upper, c_answer_count(w), w->golden, w->prefix, w->upper);
    write_compare(w);
    fputs("    }\n    return 0;\n}\n#endif\n", w->out);
    return STATUS_OK;
}
