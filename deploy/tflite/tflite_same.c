#include <string.h>

#include "deploy/tflite/tflite_model.h"

static bool same_bytes(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
    return a_bytes == b_bytes && (a == NULL) == (b == NULL) && (a_bytes == 0 || memcmp(a, b, a_bytes) == 0);
}

static bool same_list(const void *a, int a_count, const void *b, int b_count, size_t each)
{
    return a_count == b_count && (a_count == 0 || memcmp(a, b, each * (size_t)a_count) == 0);
}

static bool same_text(const char *a, const char *b) { return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0; }

static bool same_names(const TfliteName *a, int a_count, const TfliteName *b, int b_count)
{
    for (int i = 0; i < a_count && i < b_count; i++)
        if (!same_text(a[i].name, b[i].name) || a[i].tensor != b[i].tensor) return false;
    return a_count == b_count;
}

static bool same_tensor(const TfliteTensor *a, const TfliteTensor *b)
{
    return same_text(a->name, b->name) && a->type == b->type && a->axis == b->axis &&
           same_list(a->shape, a->rank, b->shape, b->rank, sizeof *a->shape) &&
           same_list(a->signature, a->signature_rank, b->signature, b->signature_rank, sizeof *a->signature) &&
           same_list(a->scale, a->scales, b->scale, b->scales, sizeof *a->scale) &&
           same_list(a->zero_point, a->zero_points, b->zero_point, b->zero_points, sizeof *a->zero_point) &&
           same_bytes(a->data, a->data_bytes, b->data, b->data_bytes);
}

static bool same_operator(const TfliteOperator *a, const TfliteOperator *b)
{
    return a->op == b->op && a->version == b->version &&
           same_list(a->input, a->inputs, b->input, b->inputs, sizeof *a->input) &&
           same_list(a->output, a->outputs, b->output, b->outputs, sizeof *a->output) &&
           memcmp(a->option, b->option, sizeof a->option) == 0;
}

bool tflite_same(const TfliteModel *a, const TfliteModel *b, const char **what)
{
    *what = "tensors";
    if (a->tensors != b->tensors) return false;
    for (int i = 0; i < a->tensors; i++) {
        *what = a->tensor[i].name;
        if (!same_tensor(&a->tensor[i], &b->tensor[i])) return false;
    }
    *what = "operators";
    if (a->operators != b->operators) return false;
    for (int i = 0; i < a->operators; i++) {
        *what = a->node[i].op->name;
        if (!same_operator(&a->node[i], &b->node[i])) return false;
    }
    *what = "inputs and outputs";
    if (!same_list(a->input, a->inputs, b->input, b->inputs, sizeof *a->input) ||
        !same_list(a->output, a->outputs, b->output, b->outputs, sizeof *a->output))
        return false;
    *what = "names and metadata";
    return same_text(a->description, b->description) && same_text(a->signature_key, b->signature_key) &&
           same_names(a->input_name, a->input_names, b->input_name, b->input_names) &&
           same_names(a->output_name, a->output_names, b->output_name, b->output_names) &&
           same_text(a->metadata_name, b->metadata_name) &&
           same_bytes(a->metadata, a->metadata_bytes, b->metadata, b->metadata_bytes);
}
