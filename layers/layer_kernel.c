#include <string.h>

#include "layers/layer.h"

/* In the order in which the drivers choose; fits NULL: any geometry. */
static const struct {
    const char *family;
    bool codes;
    const char *entry, *name;
    bool (*fits)(const ConvGeom *g);
} choices[] = {
    {"gemm", false, "gemm_runs_f32", "gemm_f32", NULL},
    {"gemm", true, "gemm_runs_s8", "gemm_s8", NULL},
    {"gemm", true, "gemm_runs_s16", "gemm_s16", NULL},
    {"dwconv", false, "dwconv_f32_forward", "dwconv_f32", NULL},
    {"dwconv", true, "dwconv_rows_s8", "dwconv_s8", dwconv_s8_by_rows},
    {"dwconv", true, "dwconv_s8_forward", "dwconv_s8", NULL},
};

const char *layer_kernel(Arena *arena, const Layer *l, bool codes)
{
    if (codes && layer_is_wide(l) && l->type->kernels != NULL) {
        const bool depthwise = strcmp(l->type->kernels, "dwconv") == 0;
        const char *isa = kernels_variant(depthwise ? "dwconv_s16_forward" : "conv_s16_forward");
        return arena_printf(arena, "%s__%s", depthwise ? "dwconv_s16" : "conv_s16", isa);
    }
    for (size_t i = 0; l->type->kernels != NULL && i < sizeof choices / sizeof choices[0]; i++) {
        if (choices[i].codes != codes || strcmp(choices[i].family, l->type->kernels) != 0) continue;
        if (choices[i].fits != NULL && !choices[i].fits(l->geom)) continue;
        const char *isa = kernels_variant(choices[i].entry);
        if (isa != NULL) return arena_printf(arena, "%s__%s", choices[i].name, isa);
    }
    return NULL;
}
