/* What formats the layers of a row really have, for its name: overrides may leave little of what the row asks for. */
#include "report/compare_rows.h"

/* Of the weights, or of the outputs, of a row's layers. */
typedef struct {
    int least, most; /* bits of codes; 0: of no layer yet */
    int floats;      /* layers in floats */
    Format format;   /* theirs */
    bool mixed;      /* they have several */
    int dynamic;     /* layers whose grids are found at run time, of 8 bits */
} Widths;

static void widen(Widths *w, int bits)
{
    if (w->least == 0 || bits < w->least) w->least = bits;
    if (bits > w->most) w->most = bits;
}

static void add_floats(Widths *w, Format format)
{
    w->mixed |= w->floats > 0 && w->format != format;
    if (w->floats == 0 || format_bytes(format) > format_bytes(w->format)) w->format = format;
    w->floats++;
}

static bool all_floats(const Widths *w) { return w->most == 0 && w->floats > 0; }

static const char *floats_name(const Widths *w) { return w->mixed ? "floats" : format_names[w->format]; }

static const char *widths_text(Arena *arena, char kind, const Widths *w)
{
    if (all_floats(w)) return arena_printf(arena, "%c%s", kind, floats_name(w));
    return w->least == w->most ? arena_printf(arena, "%c%d", kind, w->most)
                               : arena_printf(arena, "%c%d-%d", kind, w->least, w->most);
}

static int most_bits(const Widths *w) { return all_floats(w) ? 8 * (int)format_bytes(w->format) : w->most; }

typedef struct {
    const QuantConfig *quant;
    int first, last, logits; /* layers: the ends that have weights, and what the output comes of */
    bool apart;              /* the ends are named apart */
} Row;

static Row row_of(const Model *m, const QuantConfig *quant)
{
    Row r = {.quant = quant, .first = -1, .last = -1, .logits = m->layers - 1};
    for (int i = m->layers - 1; i >= 0; i--)
        if (m->layer[i].type->has_weights) r.first = i, r.last = r.last < 0 ? i : r.last;
    while (r.logits > 0 && m->layer[r.logits].type->keeps_grid) r.logits = m->layer[r.logits].input[0];
    r.apart = quant->first_last_bits > 0 && (quant_bits(quant->weights.format, quant->weights.bits) < 8 ||
                                             quant_bits(quant->activations.format, quant->activations.bits) < 8);
    return r;
}

/* What layer i adds to the weights' and the outputs' widths. */
static void look_at(const Row *r, const Model *m, int i, Widths *weights, Widths *outputs)
{
    const Layer *l = &m->layer[i];
    const QuantOverride *o = quant_override(r->quant, l->name);
    const QuantPlace place = {.name = l->name, .first = i == r->first, .last = i == r->last};
    const bool end = r->apart && (place.first || place.last);
    const Format of_weights = quant_weight_format(r->quant, place),
                 of_output = quant_activation_format(r->quant, place);
    if (l->type->has_weights && format_is_float(of_weights)) {
        add_floats(weights, of_weights);
    } else if (l->type->has_weights) {
        const int bits = quant_weight_spec(r->quant, place).bits;
        if (!end || (o != NULL && o->weight_bits > 0) || bits != r->quant->first_last_bits) widen(weights, bits);
    }
    if (l->type->keeps_grid) return;
    if (quant_scheme(r->quant, o) == SCHEME_DYNAMIC && !format_is_float(of_weights)) {
        widen(outputs, QUANT_MAX_BITS);
        outputs->dynamic++;
    } else if (format_is_float(of_output)) {
        add_floats(outputs, of_output);
    } else if (i != r->logits) { /* the output has bits of its own */
        const int bits = quant_activation_spec(r->quant, place).bits;
        if (!end || (o != NULL && o->activation_bits > 0) || bits != r->quant->first_last_bits) widen(outputs, bits);
    }
}

/* "stem float32", or "3 layers float32": those that are in floats where others are not; "": none. */
static const char *floats_text(Arena *arena, const Row *r, const Model *m, const Widths *weights, const Widths *outputs)
{
    Widths all = {0};
    const char *name = "";
    for (int i = 0; i < m->layers; i++) {
        Widths w = {0}, a = {0};
        look_at(r, m, i, &w, &a);
        if ((w.floats == 0 || all_floats(weights)) && (a.floats == 0 || all_floats(outputs))) continue;
        name = m->layer[i].name;
        if (w.floats > 0 && !all_floats(weights))
            add_floats(&all, w.format);
        else
            add_floats(&all, a.format);
    }
    if (all.floats == 0) return "";
    return all.floats == 1 ? arena_printf(arena, "%s %s", name, floats_name(&all))
                           : arena_printf(arena, "%d layers %s", all.floats, floats_name(&all));
}

/* "dynamic", or "stem dynamic" or "3 layers dynamic" where others are not; "": none. */
static const char *dynamic_text(Arena *arena, const Row *r, const Model *m, const Widths *outputs)
{
    const char *name = "";
    int layers = 0;
    for (int i = 0; i < m->layers; i++) {
        Widths w = {0}, a = {0};
        look_at(r, m, i, &w, &a);
        layers += !m->layer[i].type->keeps_grid;
        if (a.dynamic > 0) name = m->layer[i].name;
    }
    if (outputs->dynamic == 0) return "";
    if (outputs->dynamic == layers) return " dynamic";
    return outputs->dynamic == 1 ? arena_printf(arena, " %s dynamic", name)
                                 : arena_printf(arena, " %d layers dynamic", outputs->dynamic);
}

void row_bits(Arena *arena, const Model *m, RowPlan *plan)
{
    const QuantConfig *quant = &plan->config->quant;
    const Row r = row_of(m, quant);
    Widths w = {0}, a = {0};
    for (int i = 0; i < m->layers; i++) look_at(&r, m, i, &w, &a);
    if (w.most == 0 && w.floats == 0) widen(&w, quant_bits(quant->weights.format, quant->weights.bits));
    if (a.most == 0 && a.floats == 0) widen(&a, quant_bits(quant->activations.format, quant->activations.bits));
    plan->weight_bits = most_bits(&w), plan->act_bits = most_bits(&a);
    plan->floats = floats_text(arena, &r, m, &w, &a);
    plan->bits_text = arena_printf(arena, "%s%s%s%s%s%s", widths_text(arena, 'W', &w), widths_text(arena, 'A', &a),
                                   r.apart ? arena_printf(arena, " ends %d", quant->first_last_bits) : "",
                                   plan->floats[0] == '\0' ? "" : " ", plan->floats, dynamic_text(arena, &r, m, &a));
}
