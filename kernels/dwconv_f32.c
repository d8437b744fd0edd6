#include "kernels/dwconv_f32.h"

#include "kernels/dwconv3.h"

bool dwconv_f32_by_columns(const ConvGeom *g) { return dwconv3_fits(g); }
