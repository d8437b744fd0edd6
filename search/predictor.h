/* Predictors of sensitivity: what some numbers of the float network say about a change of formats before it is measured.
 *
 * w, y: the weights of a layer and its output, in floats; d: what the format changes them by, y's with the layer's
 * inputs in floats; g: the gradient of the loss, of one image where it is that of y. */
#ifndef BITFOLD_SEARCH_PREDICTOR_H
#define BITFOLD_SEARCH_PREDICTOR_H

#include "search/judge.h"
#include "search/model_loss.h"

typedef enum {
    PREDICT_LOCAL_SQNR,      /* 10 log10(sum y^2 / sum d^2) in dB, inputs in floats; high: harmless */
    PREDICT_CUMULATIVE_SQNR, /* the same in the network that has the format everywhere */
    PREDICT_FIRST_ORDER,     /* sum |g d| over weights, and over outputs where they change, a mean over images */
    PREDICT_FISHER,          /* sum (g d)^2 over outputs, a mean over images: the empirical Fisher matrix's diagonal */
    PREDICT_SECOND_ORDER,    /* 1/2 d' H d of the weights, H as it is between w - d and w + d */
    PREDICT_TRACE,           /* |d|^2 trace(H) / n of the weights (Dong 2019, 1911.03852) */
    PREDICT_EIGENVALUE,      /* |d|^2 times H's eigenvalue of largest size, of the weights (Dong 2019, 1905.03696) */
} PredictorKind;
enum { PREDICTORS = PREDICT_EIGENVALUE + 1 };

typedef struct {
    const char *name, *doc; /* of outputs' numbers one sentence without a period */
    bool of_quality;        /* high means harmless */
    bool weights_only;
} Predictor;
extern const Predictor predictors[PREDICTORS];

/* Outputs of some layers for the first images of a sample: y, and each image's own gradient of the loss. */
typedef struct {
    int layers, images;
    long *elements; /* [layers] of one image */
    float **y, **g; /* [layers][images][elements] */
} OutputSample;

/* layer[layers]: of the model, a float one.  In the arena. */
Status output_sample(Arena *arena, Model *m, const Task *task, const Sample *sample, int images, const int *layer,
                     int layers, OutputSample *out);

/* What a graph makes of these outputs, found by their names: local SQNR, first order and Fisher of outputs. */
typedef struct {
    double sqnr, first_order, fisher;
} OutputChange;
Status output_change(const Judge *judge, const Graph *graph, const OutputSample *outputs, const char *const *name,
                     OutputChange *change);

/* d of one layer's weights, in the layout of Layer.weight and divided by what batch norm multiplies them with:
 * change[l->weight->count].  floats, chosen: graphs of the network in float32 and in the formats. */
Status weight_change(const Layer *l, const Graph *floats, const Graph *chosen, double *change);

/* The rank correlation of a[n] and b[n] (Spearman), ties by their mean rank; NAN for n < 3 or where one is constant. */
double rank_correlation(Arena *arena, const double *a, const double *b, int n);

#endif
