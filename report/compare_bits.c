/* What widths the layers of a row really have, for its name: overrides may leave little of what the row asks for. */
#include "report/compare_rows.h"

typedef struct {
    int least, most; /* 0: of no layer yet */
} Widths;

static void widen(Widths *w, int bits)
{
    if (w->least == 0 || bits < w->least) w->least = bits;
    if (bits > w->most) w->most = bits;
}

static const char *widths_text(Arena *arena, char kind, Widths w)
{
    return w.least == w.most ? arena_printf(arena, "%c%d", kind, w.most)
                             : arena_printf(arena, "%c%d-%d", kind, w.least, w.most);
}

void row_bits(Arena *arena, const Model *m, RowPlan *plan)
{
    const QuantConfig *quant = &plan->config->quant;
    const int outputs_asked = quant_bits(quant->activations.format, quant->activations.bits);
    const int asked[] = {quant->weights.bits, outputs_asked}, first_last = quant->first_last_bits;
    const int of_ends = outputs_asked == QUANT_WIDE_BITS ? outputs_asked : first_last;
    Widths w = {0}, a = {0};
    int first = -1, last = -1, logits = m->layers - 1;
    for (int i = m->layers - 1; i >= 0; i--)
        if (m->layer[i].type->has_weights) first = i, last = last < 0 ? i : last;
    while (logits > 0 && m->layer[logits].type->keeps_grid) logits = m->layer[logits].input[0];
    const bool apart = first_last > 0 && (asked[0] < 8 || asked[1] < 8); /* and named apart */
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        const QuantOverride *o = quant_override(quant, l->name);
        const bool end = (i == first || i == last) && first_last > 0;
        const bool weights = o != NULL && o->weight_bits > 0, outputs = o != NULL && o->activation_bits > 0;
        if (l->type->has_weights && (weights || !(end && apart)))
            widen(&w, weights ? o->weight_bits : end ? first_last : asked[0]);
        if (l->type->keeps_grid || i == logits) continue; /* the output has bits of its own */
        if (outputs || !(end && apart)) widen(&a, outputs ? o->activation_bits : end ? of_ends : asked[1]);
    }
    if (w.most == 0) widen(&w, asked[0]);
    if (a.most == 0) widen(&a, asked[1]);
    plan->weight_bits = w.most, plan->act_bits = a.most;
    plan->bits_text = arena_printf(arena, "%s%s%s", widths_text(arena, 'W', w), widths_text(arena, 'A', a),
                                   apart ? arena_printf(arena, " ends %d", first_last) : "");
}
