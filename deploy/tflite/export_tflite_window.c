/* Where TFLite has the padding of a window from. */
#include "deploy/tflite/export_tflite.h"

typedef struct {
    int before, after; /* cells outside that some window reaches */
    bool same;         /* as TensorFlow's SAME places them */
} AxisPadding;

static AxisPadding axis_padding(int in, int out, int window, int stride, int before)
{
    const int reach = (out - 1) * stride + window, total = reach > in ? reach - in : 0;
    const int beyond = reach - in - before;
    return (AxisPadding){.before = before,
                         .after = beyond > 0 ? beyond : 0,
                         .same = out == (in + stride - 1) / stride && before == total / 2};
}

TflitePadding tflite_padding(const ConvGeom *g)
{
    const AxisPadding rows = axis_padding(g->h, g->oh, (g->kh - 1) * g->dh + 1, g->sh, g->pt);
    const AxisPadding columns = axis_padding(g->w, g->ow, (g->kw - 1) * g->dw + 1, g->sw, g->pl);
    TflitePadding p = {.padding = TFLITE_VALID};
    if (rows.before + rows.after + columns.before + columns.after == 0) return p;
    if (rows.same && columns.same) {
        p.padding = TFLITE_SAME;
        return p;
    }
    p.top = rows.before, p.bottom = rows.after, p.left = columns.before, p.right = columns.after;
    return p;
}
