/* A small network with what steps of post-training quantization act on, its data, and its quantized form. */
#ifndef BITFOLD_TESTS_SUPPORT_PTQ_NET_H
#define BITFOLD_TESTS_SUPPORT_PTQ_NET_H

#include "compress/ptq_run.h"
#include "train/recipe.h"

typedef struct {
    Config *config;
    const QuantConfig *quant;
    DataSplits data;
    Model *m; /* quantized, without ranges; weights drawn by the seed, channels of very different size */
} PtqNet;

/* A ReLU conv, a depthwise layer with ReLU6, a 1x1 convolution without activation, a pool, a dense layer; all but the last
 * with batch norm of plausible statistics.  sets: assignments to the config, NULL-ended, or NULL. */
PtqNet ptq_net(const char *const *sets);
/* Makes batch norm's statistics those of what the float network's layers give, as beta and gamma say. */
void ptq_net_fit_norms(PtqNet *net);
/* Makes the training labels what the float network answers, so that a loss tells how much of it is left. */
void ptq_net_label(PtqNet *net);
/* The same with the parameters of another. */
Model *ptq_net_again(const PtqNet *net, const Model *from);
PtqContext ptq_net_context(const PtqNet *net);
Layer *ptq_net_layer(const Model *m, const char *name);
/* What the float network gives for the images of the context, [n,classes]. */
const float *ptq_net_outputs(const PtqNet *net, Model *m, int *n);
/* On the images of the context, without labels; the float network's outputs are `real`. */
PtqMeasure ptq_net_measure(const PtqNet *net, Model *m, const float *real);
/* Runs a step with the float network `real`, NULL: the model as it is. */
void ptq_net_step(const PtqNet *net, Model *m, const char *step, const RealNetwork *real, const void *keys);

#endif
