#include <string.h>

#include "layers/layer.h"

/* In the order in which the drivers choose; fits NULL: any geometry. */
static const struct {
    const char *family;
    Format reads; /* float32, int8 or int16 */
    const char *entry, *name;
    bool (*fits)(const ConvGeom *g);
} choices[] = {
    {"gemm", FORMAT_FLOAT32, "gemm_runs_f32", "gemm_f32", NULL},
    {"gemm", FORMAT_INT8, "gemm_runs_s8", "gemm_s8", NULL},
    {"gemm", FORMAT_INT8, "gemm_runs_s16", "gemm_s16", NULL},
    {"gemm", FORMAT_INT16, "conv_s16_forward", "conv_s16", NULL},
    {"dwconv", FORMAT_FLOAT32, "dwconv_f32_forward", "dwconv_f32", NULL},
    {"dwconv", FORMAT_INT8, "dwconv_rows_s8", "dwconv_s8", dwconv_s8_by_rows},
    {"dwconv", FORMAT_INT8, "dwconv_s8_forward", "dwconv_s8", NULL},
    {"dwconv", FORMAT_INT16, "dwconv_s16_forward", "dwconv_s16", NULL},
};

const char *layer_kernel(Arena *arena, const Layer *l, bool codes)
{
    const Format reads = !codes ? FORMAT_FLOAT32 : layer_is_wide(l) ? FORMAT_INT16 : FORMAT_INT8;
    for (size_t i = 0; l->type->kernels != NULL && i < sizeof choices / sizeof choices[0]; i++) {
        if (choices[i].reads != reads || strcmp(choices[i].family, l->type->kernels) != 0) continue;
        if (choices[i].fits != NULL && !choices[i].fits(l->geom)) continue;
        const char *isa = kernels_variant(choices[i].entry);
        if (isa != NULL) return arena_printf(arena, "%s__%s", choices[i].name, isa);
    }
    return NULL;
}
