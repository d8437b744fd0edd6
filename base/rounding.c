#include "base/rounding.h"

#include <stddef.h>

const char *const rounding_names[] = {[ROUNDING_XNNPACK] = "xnnpack",
                                      [ROUNDING_TFLITE_SINGLE] = "tflite-single",
                                      [ROUNDING_TFLITE_DOUBLE] = "tflite-double",
                                      [ROUNDING_ONNXRUNTIME] = "onnxruntime",
                                      [ROUNDINGS] = NULL};

const char *rounding_add_needs(Rounding rounding)
{
    return rounding_is_float(rounding) ? "ratios in [2^-10, 2^8)" : "ratios below 2^19";
}

const char *rounding_requant_needs(Rounding rounding)
{
    return rounding == ROUNDING_XNNPACK ? "a ratio in [2^-8, 2^7]" : "a finite ratio";
}
