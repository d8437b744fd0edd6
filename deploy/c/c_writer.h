/* Inside the C exporter: the file being written and its parts. */
#ifndef BITFOLD_DEPLOY_C_C_WRITER_H
#define BITFOLD_DEPLOY_C_C_WRITER_H

#include <stdio.h>

#include "deploy/c/c_cost.h"
#include "deploy/c/c_plan.h"

typedef struct {
    Arena *arena;
    const Graph *g;
    Plan plan;
    CCost cost;
    const char *prefix, *upper; /* of every public name; the same in capitals */
    int golden;                 /* vectors of the self-test */
    FILE *out;
} CWriter;

/* deploy/c/c_layers.c: what a kind of node is in C. */
typedef struct {
    const char *const
        *kernels; /* texts of deploy/c/c_kernels that it calls; "rescale" stands for the rounding's; NULL-ended */
    /* Of more, by the width of its weights: "conv2d_dot" and "8", or "_levels" where they are levels; NULL: none. */
    const char *dot, *unpack;
    /* Those of a node whose weights are levels have a table, too: the parameters of a function without one, and what
     * it passes on, as text. */
    const char *parameters, *arguments;
    void (*layer)(const CWriter *w, int node); /* writes its constants; NULL: it has none */
    void (*call)(const CWriter *w, int node);  /* writes the call of its kernel on the whole output; NULL: none */
    const char *rows;                          /* the kernel that can also compute some rows; NULL: none */
    bool takes_rows;                           /* its call can have an input come row by row */
    bool flattens;                             /* cells that are windows of their own can be one row */
    /* Working memory; in_place: when it overwrites its input although it has to copy for that.  NULL: none, and it does
     * not do so. */
    size_t (*scratch_bytes)(const Node *n, bool in_place);
} COp;
/* By kind, in int8, on int16 codes (deploy/c/c_wide.c) and in floats (c_floats.c).  NULL: C has no kernel for it. */
extern const COp *const c_ops[NODE_KINDS], *const c_wide_ops[NODE_KINDS], *const c_float_ops[NODE_KINDS];
/* Of a node whose output is its sums (deploy/c/c_sums.c). */
extern const COp *const c_sums_ops[NODE_KINDS];
/* Of a lut and of an embedding (deploy/c/c_tables.c). */
extern const COp c_table, c_embedding;
/* Of one that is c_is_binary (deploy/c/c_binary.c); what its texts are to know first. */
extern const COp *const c_binary_ops[NODE_KINDS];
void c_write_binary_words(const CWriter *w);
const COp *c_op(const CWriter *w, const Node *n);
void c_call_rows(const CWriter *w, int node); /* COp.call by its `rows` */
bool c_carries(NodeKind kind);

/* deploy/c/c_place.c: the arena, which holds floats and int16 codes beside int8 codes where some tensor does.
 * Expressions: where codes lie in it; where a tensor lies.  A tensor's type in C. */
void c_write_arena(const CWriter *w);
const char *c_type(const GraphTensor *t);
const char *c_codes_at(const CWriter *w, size_t offset);
const char *c_place(const CWriter *w, int tensor);
/* deploy/c/c_floats.c: how weights of a node in floats lie in flash: a text of deploy/c/c_kernels, "float_dot_16", that
 * reads them. */
const char *c_float_dot(Arena *arena, const Node *n);
/* deploy/c/c_floats.c: the curves that nodes in floats compute, a function for each. */
void c_write_curves(const CWriter *w);
/* deploy/c/c_wide.c: the kernel of a requant node that reads or gives int16 codes: "int16_requantize_same". */
const char *c_wide_requantize(const Graph *g, const Node *n);
/* deploy/c/c_place.c: calls of kernels on whole tensors, KERNEL(layer, in, out), KERNEL(layer, count, in, out),
 * KERNEL(layer, count, a, b, out) and, for each input of a concat, `begin`in, cells, channels, stride, out). */
void c_call_whole(const CWriter *w, int node, const char *kernel);
void c_call_elements(const CWriter *w, int node, const char *kernel);
void c_call_add(const CWriter *w, int node, const char *kernel);
void c_call_concat(const CWriter *w, int node, const char *begin);
/* deploy/c/c_golden.c: what the exported code gives for n images: codes, or floats, whose order of sums and rounding
 * are those of the exported code on every machine. */
Status c_golden(Arena *arena, const Graph *g, const int8_t *images, int n, void *answers);

/* deploy/c/c_text.c: kernels of deploy/c/c_kernels that the graph needs, in an order in which they compile. */
void c_write_kernels(const CWriter *w);

/* deploy/c/c_data.c: a node's name in C, in the arena; one array; the weights of a node, packed, and what its outputs
 * need. */
char *c_layer_name(const CWriter *w, int node);
void c_write_array(const CWriter *w, const char *type, const char *name, long count, const void *data, int bytes);
void c_write_weights(const CWriter *w, int node);
/* What rescales its sums: NAME_multiplier, NAME_exponent.  The member `multiplier`: where all are shifts (c_shifts) any
 * array of its length, since it is not looked at. */
void c_write_multipliers(const CWriter *w, int node);
const char *c_multiplier(const CWriter *w, int node);
/* Weights as codes of 8, 4 or 2 bits, from the lowest bits of a byte up, run by run (c_run): NAME_weights. */
void c_write_codes(const CWriter *w, const Node *n, const char *name);
/* Their levels, where c_has_levels: NAME_levels. */
void c_write_levels(const CWriter *w, int node);
void c_write_window(const CWriter *w, const ConvGeom *g); /* a member `window` */
void c_write_floats(const CWriter *w, const char *name, long count, const float *data);
/* A float32 constant, read back to the same bits; C++ takes it, too. */
char *c_literal(const CWriter *w, float x);
/* #define NAME {x[0], x[1], ...} */
void c_write_list(const CWriter *w, const char *name, const float *x, int n);

/* deploy/c/c_layers.c: constants and description of each layer; the function that runs them. */
void c_write_layers(const CWriter *w);
void c_write_run(const CWriter *w);

/* deploy/c/c_answer.c: what is said of the answer, by what the targets are. */
typedef struct {
    const char *each, *all;     /* "class", "classes" */
    const char *reals, *values; /* what dequantize gives, in words and as an argument */
    void (*usage)(const CWriter *w);
    void (*constants)(const CWriter *w);
    void (*declare)(const CWriter *w);
    void (*define)(const CWriter *w);
    void (*dequantize)(const CWriter *w);
} CAnswer;
const CAnswer *c_answer(const CWriter *w);
/* It is floats, not codes; int16 or int32 codes; its values' type; the macro that counts them, without the prefix. */
bool c_float_answer(const CWriter *w);
bool c_wide_answer(const CWriter *w);
const char *c_answer_type(const CWriter *w);
const char *c_answer_count(const CWriter *w);

/* deploy/c/c_helpers.c: what stands around the model. */
void c_write_header(const CWriter *w); /* all but the end of its include guard */
void c_write_header_end(const CWriter *w);
void c_write_helpers(const CWriter *w);
Status c_write_self_test(const CWriter *w);

#endif
