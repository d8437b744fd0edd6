/* What a model in C says of its answer, by what its task's targets are: a class, or values. */
#include <string.h>

#include "deploy/c/c_writer.h"
#include "tasks/task.h"

/* The bytes of a string literal; no escape runs into the next character, none makes a trigraph. */
static void write_string(const CWriter *w, const char *text)
{
    fputc('"', w->out);
    for (const char *p = text; *p != '\0'; p++) {
        const unsigned char byte = (unsigned char)*p;
        if (byte < 0x20 || byte > 0x7e || strchr("\"\\?", byte) != NULL)
            fprintf(w->out, "\\%03o", byte);
        else
            fputc(byte, w->out);
    }
    fputc('"', w->out);
}

static void write_names(const CWriter *w, const char *of)
{
    if (w->g->class_names == NULL) return;
    fprintf(w->out, "const char *const %s_%s_names[%d] = {\n", w->prefix, of, w->g->classes);
    for (int i = 0; i < w->g->classes; i++) {
        fputs("    ", w->out);
        write_string(w, w->g->class_names[i]);
        fputs(",\n", w->out);
    }
    fputs("};\n\n", w->out);
}

static void declare_names(const CWriter *w, const char *of)
{
    if (w->g->class_names != NULL)
        fprintf(w->out, "extern const char *const %s_%s_names[%d];\n", w->prefix, of, w->g->classes);
}

/* ---- a class ----------------------------------------------------------------------------------------------------- */

static void class_usage(const CWriter *w)
{
    if (c_float_answer(w)) {
        fputs(" * Answer: the largest value is the class; probabilities are the softmax of the values.\n", w->out);
        return;
    }
    fprintf(w->out,
            " * Answer: the largest code is the class; probabilities are the softmax of\n"
            " * %s_OUTPUT_SCALE * (code - %s_OUTPUT_ZERO_POINT).\n",
            w->upper, w->upper);
}

static void class_declare(const CWriter *w)
{
    fprintf(w->out,
            "\n/* The class with the largest %s, the first of equals. */\n"
            "int %s_argmax(const %s *out);\n",
            c_float_answer(w) ? "value" : "code", w->prefix, c_answer_type(w));
    declare_names(w, "class");
}

static void class_define(const CWriter *w)
{
    fprintf(w->out,
            "int %s_argmax(const %s *out)\n{\n    int best = 0;\n"
            "    for (int i = 1; i < %s_%s; i++)\n        if (out[i] > out[best]) best = i;\n"
            "    return best;\n}\n\n",
            w->prefix, c_answer_type(w), w->upper, c_answer_count(w));
    write_names(w, "class");
}

static void class_dequantize(const CWriter *w)
{
    fprintf(w->out,
            "void %s_dequantize(const %s *out, float *logits)\n{\n"
            "    for (int32_t i = 0; i < %s_%s; i++)\n"
            "        logits[i] = %s_OUTPUT_SCALE * (float)(out[i] - %s_OUTPUT_ZERO_POINT);\n}\n",
            w->prefix, c_answer_type(w), w->upper, c_answer_count(w), w->upper, w->upper);
}

static void nothing(const CWriter *w) { (void)w; }

/* ---- bytes ------------------------------------------------------------------------------------------------------ */

static void tokens_usage(const CWriter *w)
{
    fprintf(w->out,
            " * Answer: for each byte of the input, in order, 256 %s: how likely each byte is to come next. The "
            "largest is\n"
            " * the likeliest; probabilities are the softmax of the %s.\n",
            c_float_answer(w) ? "values" : "codes", c_float_answer(w) ? "values" : "real numbers that they stand for");
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static void values_usage(const CWriter *w)
{
    if (c_float_answer(w)) {
        fprintf(w->out, " * Answer: value i is %s_TARGET_MEAN[i] + %s_TARGET_STD[i] * out[i].\n", w->upper, w->upper);
        return;
    }
    fprintf(w->out,
            " * Answer: value i is %s_TARGET_MEAN[i] + %s_TARGET_STD[i] * real, with the real number of code i;\n"
            " * %s_dequantize computes it.\n",
            w->upper, w->upper, w->prefix);
}

static void values_constants(const CWriter *w)
{
    fputs("\n/* By output, for an array: value = mean + std * real. */\n", w->out);
    c_write_list(w, "TARGET_MEAN", w->g->scale.mean, w->g->classes);
    c_write_list(w, "TARGET_STD", w->g->scale.std, w->g->classes);
}

static void values_declare(const CWriter *w)
{
    if (w->g->class_names != NULL) fputc('\n', w->out);
    declare_names(w, "output");
}

static void values_define(const CWriter *w) { write_names(w, "output"); }

static void values_dequantize(const CWriter *w)
{
    fprintf(w->out,
            "void %s_dequantize(const %s *out, float *values)\n{\n"
            "    static const float mean[] = %s_TARGET_MEAN, std[] = %s_TARGET_STD;\n"
            "    for (int32_t i = 0; i < %s_%s; i++)\n"
            "        values[i] = mean[i] + std[i] * (%s_OUTPUT_SCALE * (float)(out[i] - %s_OUTPUT_ZERO_POINT));\n}\n",
            w->prefix, c_answer_type(w), w->upper, w->upper, w->upper, c_answer_count(w), w->upper, w->upper);
}

bool c_float_answer(const CWriter *w) { return graph_tensor_is_float(&w->g->tensor[w->g->output]); }

bool c_wide_answer(const CWriter *w)
{
    const GraphTensor *y = &w->g->tensor[w->g->output];
    return graph_tensor_is_wide(y) || graph_tensor_is_sums(y);
}

const char *c_answer_type(const CWriter *w) { return c_type(&w->g->tensor[w->g->output]); }

const char *c_answer_count(const CWriter *w)
{
    return c_float_answer(w) || c_wide_answer(w) ? "OUTPUTS" : "OUTPUT_BYTES";
}

const CAnswer *c_answer(const CWriter *w)
{
    static const CAnswer answers[] = {
        [TARGET_CLASS] = {"class", "classes", "real logits", "logits", class_usage, nothing, class_declare,
                          class_define, class_dequantize},
        [TARGET_VALUES] = {"value", "values", "the values they stand for", "values", values_usage, values_constants,
                           values_declare, values_define, values_dequantize},
        [TARGET_TOKENS] = {"byte of each position", "scores", "real scores", "scores", tokens_usage, nothing, nothing,
                           nothing, class_dequantize},
        [TARGET_POINTS] = {"point", "points", "their coordinates, in pixels of the image", "values", values_usage,
                           values_constants, values_declare, values_define, values_dequantize},
    };
    return &answers[graph_task(w->g)->target];
}
