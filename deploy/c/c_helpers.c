/* What stands around a model in C: the header, input and answer, the self-test. */
#include <string.h>

#include "base/rng.h"
#include "deploy/c/c_writer.h"
#include "graph/engine.h"

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
            " * Model \"%s\", dialect %s, int8 in, int8 out, no floating point, no heap, no library.\n *\n"
            " * in:  %d x %d x %d codes, [row][column][channel]; real = %.9g * (code %s)\n"
            " * out: %d codes, one for each %s; real = %.9g * (code %s)\n",
            c_comment(w->arena, g->model_name), rounding_names[g->rounding], x->h, x->w, x->c, (double)x->scale,
            minus(w, x->zero_point), g->classes, c_answer(w)->each, (double)y->scale, minus(w, y->zero_point));
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
    c_cost_print(w->arena, g, &w->cost, " * ", w->out);
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
}

static void write_declarations(const CWriter *w)
{
    const char *p = w->prefix, *P = w->upper;
    fprintf(w->out,
            "/* One image to one answer.  in and out do not overlap; the arena is static, so one call at a time. */\n"
            "void %s_run(const int8_t *in, int8_t *out);\n\n"
            "/* Camera bytes, %d x %d x %d, [row][column][channel], to codes. */\n"
            "void %s_quantize_pixels(const uint8_t *pixels, int8_t *in);\n",
            p, w->g->tensor[0].h, w->g->tensor[0].w, w->g->tensor[0].c, p);
    c_answer(w)->declare(w);
    fprintf(w->out,
            "\n#ifdef %s_WITH_FLOATS /* beside the data path, for those who have floats anyhow */\n"
            "/* Real numbers, (byte / 255 - mean) / std, to codes; codes of the answer to %s. */\n"
            "void %s_quantize(const float *values, int8_t *in);\n"
            "void %s_dequantize(const int8_t *out, float *%s);\n"
            "#endif\n",
            P, c_answer(w)->reals, p, p, c_answer(w)->values);
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
            "#define %s_INPUT_SCALE %s\n#define %s_INPUT_ZERO_POINT %s\n"
            "#define %s_OUTPUT_SCALE %s\n#define %s_OUTPUT_ZERO_POINT %s\n\n"
            "/* By channel, for an array: real = (byte / 255 - mean) / std. */\n",
            P, P, P, x->h, P, x->w, P, x->c, P, w->cost.input_bytes, P, w->cost.output_bytes, P, w->cost.flash_bytes, P,
            w->cost.arena_bytes, P, w->cost.macs, P, c_literal(w, x->scale), P,
            arena_printf(w->arena, x->zero_point < 0 ? "(%d)" : "%d", x->zero_point), P, c_literal(w, y->scale), P,
            arena_printf(w->arena, y->zero_point < 0 ? "(%d)" : "%d", y->zero_point));
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
    c_answer(w)->dequantize(w);
    fputs("#endif\n\n", w->out);
}

void c_write_helpers(const CWriter *w)
{
    write_quantize_pixels(w);
    c_answer(w)->define(w);
    write_floats(w);
}

/* ---- the self-test ----------------------------------------------------------------------------------------------- */

Status c_write_self_test(const CWriter *w)
{
    enum { SEED = 1 };
    const GraphTensor *x = &w->g->tensor[0];
    const long input = (long)w->cost.input_bytes, output = (long)w->cost.output_bytes;
    if (w->golden == 0) return STATUS_OK;
    Engine *engine;
    TRY(engine_create_planned(w->arena, w->g, &engine));
    int8_t *in = arena_alloc(w->arena, (size_t)(w->golden * input));
    int8_t *out = arena_alloc(w->arena, (size_t)(w->golden * output));
    Rng rng = rng_make(SEED, RNG_TEST, 0);
    for (long i = 0; i < w->golden * input; i++)
        in[i] = (int8_t)(x->qmin + (int)rng_below(&rng, (uint32_t)(x->qmax - x->qmin + 1)));
    engine_run(engine, in, w->golden, out);
    fprintf(w->out, "#ifdef %s_SELF_TEST\n", w->upper);
    c_write_array(w, "int8_t", "golden_in", w->golden * input, in, 1);
    c_write_array(w, "int8_t", "golden_out", w->golden * output, out, 1);
    fprintf(w->out,
            "\nint %s_self_test(void)\n{\n"
            "    static int8_t out[%s_OUTPUT_BYTES];\n"
            "    for (int n = 0; n < %d; n++) {\n"
            "        %s_run(golden_in + n * %s_INPUT_BYTES, out);\n"
            "        for (int i = 0; i < %s_OUTPUT_BYTES; i++)\n"
            "            if (out[i] != golden_out[n * %s_OUTPUT_BYTES + i]) return n + 1;\n"
            "    }\n"
            "    return 0;\n}\n#endif\n",
            w->prefix, w->upper, w->golden, w->prefix, w->upper, w->upper, w->upper);
    return STATUS_OK;
}
