/* The weights of a layer by the channels that they read and write, as the deployed layer has them: multiplied by batch
 * norm's factor. */
#ifndef BITFOLD_COMPRESS_WEIGHT_CHANNELS_H
#define BITFOLD_COMPRESS_WEIGHT_CHANNELS_H

#include "layers/model.h"

typedef struct {
    Layer *l;
    FloatOp op;
    ChannelView by; /* output channels */
    int inputs;     /* channels of what it reads: of a dense layer those before flatten */
    float *factor;  /* [outputs] gamma / sqrt(var + epsilon); 1 without batch norm */
} WeightChannels;

/* Of a layer with weights whose input has `inputs` channels.  In the arena. */
WeightChannels weight_channels(Arena *arena, Layer *l, int inputs);

/* The channels that weight i reads and writes. */
static inline int weight_output(const WeightChannels *w, long i) { return (int)channel_at(&w->by, i); }
int weight_input(const WeightChannels *w, long i);

/* range[outputs], range[inputs]: the largest magnitude of the weights that write or read a channel. */
void weight_output_ranges(const WeightChannels *w, float *range);
void weight_input_ranges(const WeightChannels *w, float *range);

/* The largest of a layer's output ranges over the median one (of an even number the upper): what one scale for all
 * channels does to the others.  0 where all weights are 0. */
double weight_range_ratio(Arena *arena, Layer *l);

/* The layer's outputs are multiplied by factor[outputs] > 0 (an activation that is homogeneous after it), and what it
 * reads has been multiplied by 1 / factor[inputs]. */
void weight_scale_outputs(const WeightChannels *w, const float *factor);
void weight_scale_inputs(const WeightChannels *w, const float *factor);

/* The layers with weights that read what layer `from` gives, through pools and flatten alone.  At most `room`; 0 where
 * any other layer reads it, and *why says which. */
int weight_readers(Arena *arena, const Model *m, int from, int room, int *reader, const char **why);

#endif
