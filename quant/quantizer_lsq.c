/* Learned step size quantization (Esser 2020, 1902.08153): the scale is a parameter trained with the weights. */
#include "quant/learned_step.h"

const QuantizerType quantizer_lsq = {
    .name = "lsq",
    .doc = "learned step size (Esser 2020): the scale is trained with the weights; 2 bits need it",
    .uses = QUANTIZES_ALL,
    .learns = true,
    .centred = true,
    .groups = true,
    .create = learned_step_create,
    .start = learned_step_start,
    .prepare = learned_step_prepare,
    .adopt = learned_step_adopt,
    .backward_params = learned_step_backward_params,
    .backward_scale = learned_step_backward_scale,
    .finish = learned_step_finish,
    .surrogate = learned_step_surrogate,
    .gradient_scale = learned_step_gradient_scale,
};
