#include <math.h>
#include <string.h>

#include "base/json.h"
#include "layers/model_formats.h"

const Field model_fields[] = {
    {"input", FIELD_INTS, offsetof(ModelConfig, input), .min = 1, .max = 4096, .required = true, .min_count = 3,
     .max_count = 3, .unit = "pixels", .doc = "[rows, columns, channels] of the image"},
    {"layers", FIELD_JSON, offsetof(ModelConfig, layers), .required = true,
     .doc = "list of layers, each {\"type\", \"name\", \"inputs\", ...}; the last one gives the logits"},
    FIELD_END};

enum { MAX_LAYERS = 512, MAX_ACTIVATION = 1 << 28 };

typedef struct {
    Model *m;
    const char *where;
    Layer *listed; /* in the order of the JSON, a curve after the layer that names it */
    int *index;    /* of listed layers: in the JSON */
    int n;
    int **input; /* of listed layers: indices into `listed`, -1 the image */
} Builder;

static Status parse_layer(Builder *b, int i, const cJSON *json)
{
    Arena *arena = b->m->arena;
    const cJSON *type_json = json_get(json, "type");
    if (!cJSON_IsObject(json) || !cJSON_IsString(type_json))
        return status_fail(STATUS_CONFIG,
                           "%s: model.layers[%d]: no \"type\"; an object with the kind of layer is required", b->where,
                           i);
    Layer *l = &b->listed[b->n];
    b->index[b->n] = i;
    l->type = layer_type(type_json->valuestring);
    if (l->type == NULL) {
        const char *nearest = nearest_name(type_json->valuestring, layer_type_names);
        return status_fail(STATUS_CONFIG, "%s: model.layers[%d].type: \"%s\"; must be a kind of layer%s%s%s", b->where,
                           i, type_json->valuestring, nearest == NULL ? "" : " (did you mean \"",
                           nearest == NULL ? "" : nearest,
                           nearest == NULL ? ", see `bitfold describe layers`" : "\"?)");
    }
    l->config = arena_zalloc(arena, l->type->config_bytes);
    TRY(field_parse(l->type->fields, json, arena_printf(arena, "%s: model.layers[%d]", b->where, i), l->config, arena));
    LayerCommon *common = l->config;
    l->name =
        common->name != NULL && common->name[0] != '\0' ? common->name : arena_printf(arena, "%s_%d", l->type->name, i);
    for (const char *p = l->name; *p != '\0'; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '_' ||
              *p == '-'))
            return status_fail(STATUS_CONFIG, "%s: model.layers[%d].name: \"%s\"; must be letters, digits, '_' and '-'",
                               b->where, i, l->name);
    if (strcmp(l->name, "input") == 0)
        return status_fail(STATUS_CONFIG, "%s: model.layers[%d].name: \"input\"; that is the image, take another name",
                           b->where, i);
    for (int k = 0; k < b->n; k++)
        if (strcmp(b->listed[k].name, l->name) == 0)
            return status_fail(STATUS_CONFIG,
                               "%s: model.layers[%d].name: \"%s\" is also layers[%d]'s; names must be unique", b->where,
                               i, l->name, b->index[k]);
    b->n++;
    return STATUS_OK;
}

/* The curve that a layer names as its activation; NULL: none. */
static const CurveType *curve_of(const Layer *l)
{
    const Field *f = l->type->fields;
    while (f->name != NULL && f->names != activation_names) f++;
    if (f->name == NULL) return NULL;
    int choice;
    memcpy(&choice, (const char *)l->config + f->offset, sizeof choice);
    return activation_curve(choice);
}

/* Behind the layer that was parsed last: a layer "activation" of its own, "conv1.hard_swish", which whoever names conv1
 * reads. */
static Status add_curve(Builder *b)
{
    const Layer *of = &b->listed[b->n - 1];
    const CurveType *curve = curve_of(of);
    if (curve == NULL) return STATUS_OK;
    Arena *arena = b->m->arena;
    Layer *l = &b->listed[b->n];
    l->type = layer_type("activation");
    l->name = arena_printf(arena, "%s.%s", of->name, curve->name);
    l->curve_of = of->name;
    l->config = arena_zalloc(arena, l->type->config_bytes);
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "type", l->type->name);
    cJSON_AddStringToObject(json, "function", curve->name);
    const Status status = field_parse(l->type->fields, json, l->name, l->config, arena);
    cJSON_Delete(json);
    b->index[b->n] = b->index[b->n - 1];
    b->n++;
    return status;
}

static bool has_curve(const Builder *b, int listed)
{
    return listed + 1 < b->n && b->listed[listed + 1].curve_of != NULL;
}

static Status resolve_inputs(Builder *b, int i)
{
    Layer *l = &b->listed[i];
    const StringList *names = &((const LayerCommon *)l->config)->inputs;
    l->inputs = names->n == 0 ? 1 : names->n;
    if (l->inputs < l->type->min_inputs || l->inputs > l->type->max_inputs)
        return status_fail(STATUS_CONFIG, "%s: model.layers[%d] \"%s\": %d input%s; %s takes %d to %d", b->where,
                           b->index[i], l->name, l->inputs, l->inputs == 1 ? "" : "s", l->type->name,
                           l->type->min_inputs, l->type->max_inputs);
    b->input[i] = ARENA_ARRAY(b->m->arena, int, l->inputs);
    if (names->n == 0) b->input[i][0] = i - 1;
    for (int k = 0; k < names->n; k++) {
        int at = strcmp(names->at[k], "input") == 0 ? -1 : b->n;
        for (int j = 0; j < b->n && at == b->n; j++)
            if (strcmp(b->listed[j].name, names->at[k]) == 0 && b->listed[j].curve_of == NULL)
                at = has_curve(b, j) ? j + 1 : j;
        if (at == b->n) {
            const char *known[MAX_LAYERS + 2];
            int n = 0;
            for (int j = 0; j < b->n; j++)
                if (b->listed[j].curve_of == NULL) known[n++] = b->listed[j].name;
            known[n++] = "input";
            known[n] = NULL;
            const char *nearest = nearest_name(names->at[k], known);
            return status_fail(STATUS_CONFIG, "%s: model.layers[%d].inputs: \"%s\"; must be the name of a layer%s%s%s",
                               b->where, b->index[i], names->at[k], nearest == NULL ? "" : " (did you mean \"",
                               nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?)");
        }
        b->input[i][k] = at;
    }
    return STATUS_OK;
}

/* Moves the layers into an order in which every one follows its inputs, otherwise as listed. */
static Status sort_layers(Builder *b)
{
    Model *m = b->m;
    int *place = ARENA_ARRAY(m->arena, int, b->n); /* of listed layer i in the model; -1: not yet */
    for (int i = 0; i < b->n; i++) place[i] = -1;
    while (m->layers < b->n) {
        int next = -1;
        for (int i = 0; i < b->n && next < 0; i++) {
            bool ready = place[i] < 0;
            for (int k = 0; k < b->listed[i].inputs; k++) ready &= b->input[i][k] < 0 || place[b->input[i][k]] >= 0;
            if (ready) next = i;
        }
        if (next < 0) {
            int stuck = 0;
            while (place[stuck] >= 0) stuck++;
            return status_fail(STATUS_CONFIG,
                               "%s: model.layers[%d] \"%s\": its inputs lead back to itself; the graph must "
                               "have no cycle",
                               b->where, b->index[stuck], b->listed[stuck].name);
        }
        Layer *l = &m->layer[m->layers];
        *l = b->listed[next];
        for (int k = 0; k < l->inputs; k++) l->input[k] = b->input[next][k] < 0 ? -1 : place[b->input[next][k]];
        place[next] = m->layers++;
    }
    for (int i = 0; i < b->n; i++) {
        bool read = i == b->n - 1;
        for (int j = 0; j < b->n; j++)
            for (int k = 0; k < b->listed[j].inputs; k++) read |= b->input[j][k] == i;
        if (!read)
            return status_fail(STATUS_CONFIG,
                               "%s: model.layers[%d] \"%s\": no layer reads its output; only the last layer of "
                               "the list may give the logits",
                               b->where, b->index[i], layer_given_name(&b->listed[i]));
    }
    return STATUS_OK;
}

static Status infer_shapes(Builder *b)
{
    Model *m = b->m;
    for (int i = 0; i < m->layers; i++) {
        Layer *l = &m->layer[i];
        for (int k = 0; k < l->inputs; k++) l->in[k] = l->input[k] < 0 ? m->input : m->layer[l->input[k]].out;
        Status status = l->type->shape(l);
        if (status == STATUS_OK && (double)l->out.h * l->out.w * l->out.c > MAX_ACTIVATION)
            status = status_fail(STATUS_SHAPE, "an output of %d x %d x %d; must be at most 2^28 values", l->out.h,
                                 l->out.w, l->out.c);
        if (status != STATUS_OK) {
            const char *reads = "";
            for (int k = 0; k < l->inputs; k++)
                reads = arena_printf(m->arena, "%s%s%s: %d x %d x %d", reads, k == 0 ? "" : ", ",
                                     l->input[k] < 0 ? "the image"
                                                     : arena_printf(m->arena, "\"%s\"", m->layer[l->input[k]].name),
                                     l->in[k].h, l->in[k].w, l->in[k].c);
            return status_prefix(status, "%s: layer \"%s\" (reads %s)", b->where, l->name, reads);
        }
    }
    const Extent out = m->layer[m->layers - 1].out;
    if (out.h != 1 || out.w != 1)
        return status_fail(STATUS_SHAPE,
                           "%s: layer \"%s\" gives %d x %d x %d; the last layer must give 1 x 1 x outputs", b->where,
                           m->layer[m->layers - 1].name, out.h, out.w, out.c);
    m->classes = out.c;
    return STATUS_OK;
}

/* Marks the layers whose grid an average pool inherits. */
static void mark_avgpool_feeders(const Model *m, bool *feeds)
{
    for (int i = 0; i < m->layers; i++) {
        if (!m->layer[i].type->averages) continue;
        int from = m->layer[i].input[0];
        while (from >= 0 && m->layer[from].type->keeps_grid) from = m->layer[from].input[0];
        if (from >= 0) feeds[from] = true;
    }
}

/* A layer may defer when its one reader applies_norm. */
static void mark_deferring(const Model *m)
{
    int *readers = ARENA_ARRAY(m->arena, int, m->layers);
    for (int i = 0; i < m->layers; i++)
        for (int k = 0; k < m->layer[i].inputs; k++) {
            const int from = m->layer[i].input[k];
            if (from < 0) continue;
            m->layer[from].norm_deferred = ++readers[from] == 1 && m->layer[i].type->applies_norm;
        }
}

/* A curve stands where the layer does whose activation it is. */
static QuantPlace place_of(const Model *m, int i, int first, int last, int logits, bool feeds_avgpool)
{
    const Layer *l = &m->layer[i];
    bool feeds_table = false;
    for (int k = 0; k < m->layers; k++) feeds_table |= m->layer[k].curve_of == l->name;
    const int owner = l->curve_of == NULL ? i : l->input[0];
    return (QuantPlace){.name = m->layer[owner].name,
                        .first = owner == first,
                        .last = owner == last,
                        .is_output = i == logits,
                        .feeds_avgpool = feeds_avgpool,
                        .feeds_table = feeds_table};
}

static Status build_layers(Builder *b, const QuantConfig *quant)
{
    Model *m = b->m;
    int first = -1, last = -1;
    for (int i = 0; i < m->layers; i++)
        if (m->layer[i].type->has_weights) {
            if (first < 0) first = i;
            last = i;
        }
    bool *feeds = ARENA_ARRAY(m->arena, bool, m->layers);
    mark_avgpool_feeders(m, feeds);
    int logits = m->layers - 1;
    while (logits > 0 && m->layer[logits].type->keeps_grid) logits = m->layer[logits].input[0];
    m->quantizer = ARENA_ARRAY(m->arena, Quantizer *, 3 * m->layers);
    QuantPlace *place = ARENA_ARRAY(m->arena, QuantPlace, m->layers);
    for (int i = 0; i < m->layers; i++) place[i] = place_of(m, i, first, last, logits, feeds[i]);
    if (quant != NULL) TRY(model_set_formats(m, quant, place, b->where));
    for (int i = 0; i < m->layers; i++) {
        Layer *l = &m->layer[i];
        LayerBuilder lb = {.arena = m->arena, .params = &m->params, .quant = quant, .place = place[i]};
        Status status = l->type->build == NULL ? STATUS_OK : l->type->build(l, &lb);
        if (status == STATUS_OK) status = model_other_quantizers(l, &lb, m);
        if (status != STATUS_OK) return status_prefix(status, "%s: layer \"%s\"", b->where, l->name);
        if (l->weight_q != NULL) m->quantizer[m->quantizers++] = l->weight_q;
        if (l->out_q != NULL) m->quantizer[m->quantizers++] = l->out_q;
        if (l->other_q != NULL) m->quantizer[m->quantizers++] = l->other_q;
    }
    return param_set_place(&m->params, m->arena);
}

/* The image's grid: the pixels themselves when one mean and std serve all channels and 255 * mean is an integer. */
static void build_input(Model *m, PixelScale pixels)
{
    const int C = m->input.c;
    m->mean = ARENA_ARRAY(m->arena, float, C);
    m->std = ARENA_ARRAY(m->arena, float, C);
    float lo = 0.0f, hi = 0.0f;
    for (int c = 0; c < C; c++) {
        const int at = pixels.n == 1 ? 0 : c;
        m->mean[c] = (float)pixels.mean[at];
        m->std[c] = (float)pixels.std[at];
        lo = fminf(lo, (0.0f - m->mean[c]) / m->std[c]);
        hi = fmaxf(hi, (1.0f - m->mean[c]) / m->std[c]);
    }
    QuantParams *qp = &m->input_grid;
    *qp = (QuantParams){
        .bits = 8, .qmin = -128, .qmax = 127, .axis = -1, .n = 1, .scale = ARENA_ARRAY(m->arena, float, 1)};
    const double offset = 255.0 * pixels.mean[0];
    m->exact_pixels = pixels.n == 1 && fabs(offset - rint(offset)) < 1e-3;
    if (m->exact_pixels) {
        qp->scale[0] = (float)(1.0 / (255.0 * pixels.std[0]));
        qp->zero_point = (int)rint(offset) - 128;
    } else {
        grid_asymmetric(lo, hi, qp);
    }
    m->pixel_value = ARENA_ARRAY(m->arena, float, 256 * C);
    m->pixel_code = ARENA_ARRAY(m->arena, int8_t, 256 * C);
    for (int c = 0; c < C; c++)
        for (int p = 0; p < 256; p++) {
            const float v = ((float)p / 255.0f - m->mean[c]) / m->std[c];
            m->pixel_value[c * 256 + p] = v;
            m->pixel_code[c * 256 + p] =
                (int8_t)(m->exact_pixels ? p - 128 : quantize_value(v, qp->scale[0], qp->zero_point, -128, 127));
        }
}

Status model_build(Arena *arena, const ModelConfig *config, PixelScale pixels, const QuantConfig *quant,
                   const char *where, Model **out)
{
    const int n = cJSON_IsArray(config->layers) ? cJSON_GetArraySize(config->layers) : 0;
    if (n < 1 || n > MAX_LAYERS)
        return status_fail(STATUS_CONFIG, "%s: model.layers: a list of %d; must have 1 to %d layers", where, n,
                           MAX_LAYERS);
    Model *m = ARENA_ARRAY(arena, Model, 1);
    *m = (Model){.arena = arena,
                 .name = where,
                 .quant = quant,
                 .layer = ARENA_ARRAY(arena, Layer, 2 * n),
                 .out = ARENA_ARRAY(arena, Tensor *, 2 * n),
                 .converted = ARENA_ARRAY(arena, Tensor *, 2 * n + 1),
                 .widened = ARENA_ARRAY(arena, Tensor *, 2 * n + 1),
                 .input = {config->input.at[0], config->input.at[1], config->input.at[2]}};
    if (pixels.n != 1 && pixels.n != m->input.c)
        return status_fail(STATUS_CONFIG, "%s: data.normalize: %d means; must be 1, or %d like the image's channels",
                           where, pixels.n, m->input.c);
    Builder b = {.m = m,
                 .where = where,
                 .listed = ARENA_ARRAY(arena, Layer, 2 * n),
                 .index = ARENA_ARRAY(arena, int, 2 * n),
                 .input = ARENA_ARRAY(arena, int *, 2 * n)};
    int i = 0;
    const cJSON *json;
    cJSON_ArrayForEach(json, config->layers)
    {
        TRY(parse_layer(&b, i++, json));
        TRY(add_curve(&b));
    }
    for (i = 0; i < b.n; i++) TRY(resolve_inputs(&b, i));
    TRY(sort_layers(&b));
    TRY(infer_shapes(&b));
    mark_deferring(m);
    TRY(build_layers(&b, quant));
    build_input(m, pixels);
    *out = m;
    return STATUS_OK;
}
