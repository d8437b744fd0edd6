/* The weights of a network in training as mixtures of what candidate formats make of them.
 *
 * With w the weights of a layer, Q_f(w) what format f makes of them and shares p_f that sum to 1, the layer computes with
 *     w~ = sum_f p_f Q_f(w).
 * The gradient in w is that in w~ (straight through); in a share it is exactly <dL/dw~, Q_f(w)>.
 *
 * Q_f is the quantizer that observes, per channel or tensor as the config asks of the layer, with the range of least
 * squared error; with batch norm, grids per tensor and floats are of the weights times its factor, as they are deployed. */
#ifndef BITFOLD_SEARCH_WEIGHT_MIX_H
#define BITFOLD_SEARCH_WEIGHT_MIX_H

#include "search/space.h"

typedef struct {
    const SearchSpace *space;
    Model *model; /* the float network in training */
    int layers, formats;
    const Layer **of;   /* [layers] the model's layer whose weights are mixed; NULL: none are */
    const Layer **as;   /* [layers][formats] the same layer in a network of that format; NULL: it is no candidate */
    float **change;     /* [layers][formats] Q_f(w) - w, of the last weight_mix_apply */
    double *share;      /* [layers][formats] the caller's; 0 where it is no candidate */
    float *own;         /* the model's parameters while mixtures stand in their place */
    int narrowest_bits; /* of the candidates */
    Arena *step;
    Tape *tape;
} WeightMix;

/* Of all layers with weights, whose candidates are what the space leaves open.  In the arena; the judge's config says how
 * weights are quantized.  weight_mix_end is to be called, also after a failure. */
Status weight_mix_begin(Arena *arena, const Judge *judge, const SearchSpace *space, Model *model, WeightMix *mix);
void weight_mix_end(WeightMix *mix);

/* Ranges are searched for again, for the weights as they are at the next weight_mix_apply; until then they stay. */
void weight_mix_find_ranges(WeightMix *mix);

/* Puts mixtures in the place of the weights, and the weights back.  STATUS_NUMERIC: a weight is not finite. */
Status weight_mix_apply(WeightMix *mix);
void weight_mix_undo(WeightMix *mix);

/* dL/dp_f but for what is the same for all formats, from the gradient in the model's parameters. */
double weight_mix_slope(const WeightMix *mix, int layer, int format);

static inline bool weight_mix_has(const WeightMix *mix, int layer, int format)
{
    return mix->as[layer * mix->formats + format] != NULL;
}

#endif
