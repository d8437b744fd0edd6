#include "tests/support/ptq_net.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "compress/layer_means.h"
#include "datasets/batch_reader.h"
#include "tests/support/fixture.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"
#include "train/model_task.h"

static const char config_text_[] =
    "{\"seed\": 3, \"data\": {\"dataset\": \"synthetic\", \"classes\": 4, \"synthetic_train\": 160,\n"
    "  \"synthetic_test\": 16, \"synthetic_noise\": 0.5, \"normalize\": {\"mean\": 0.5019607843137255, \"std\": "
    "0.25}},\n"
    " \"model\": {\"input\": [12, 12, 1], \"layers\": [\n"
    "  {\"type\": \"conv2d\", \"name\": \"stem\", \"filters\": 8, \"kernel\": 3, \"batch_norm\": true, \"activation\": "
    "\"relu\"},\n"
    "  {\"type\": \"depthwise_conv2d\", \"name\": \"dw\", \"kernel\": 3, \"batch_norm\": true, \"activation\": "
    "\"relu6\"},\n"
    "  {\"type\": \"conv2d\", \"name\": \"pw\", \"filters\": 12, \"kernel\": 1, \"batch_norm\": true},\n"
    "  {\"type\": \"avgpool\", \"name\": \"pool\", \"kernel\": 4},\n"
    "  {\"type\": \"flatten\", \"name\": \"flat\"},\n"
    "  {\"type\": \"dense\", \"name\": \"logits\", \"units\": 4}]},\n"
    " \"quant\": {\"weights\": {\"bits\": 4}, \"activations\": {\"bits\": 8}, \"first_last_bits\": 0},\n"
    " \"ptq\": {\"images\": 64}}\n";

Layer *ptq_net_layer(const Model *m, const char *name)
{
    int i = 0;
    while (strcmp(m->layer[i].name, name) != 0) ck_assert_int_lt(++i, m->layers);
    return &m->layer[i];
}

/* Statistics as the layer's own inputs have them, so that no channel is dead; gamma over two orders of magnitude. */
static void draw_norm(Layer *l, Rng *rng)
{
    for (long c = 0; c < l->gamma->count; c++) {
        l->gamma->x[c] = powf(10.0f, 2.0f * rng_uniform(rng) - 1.5f);
        l->beta->x[c] = l->gamma->x[c] * (rng_uniform(rng) - 0.3f);
        l->norm->mean[c] = 0.2f * rng_normal(rng);
        l->norm->var[c] = 0.5f + rng_uniform(rng);
    }
}

PtqNet ptq_net(const char *const *sets)
{
    PtqNet net;
    put_text(folder, "ptq.json", config_text_);
    must(config_read(arena, inside("ptq.json"), sets, &net.config));
    must(experiment_data(arena, net.config, &net.data));
    QuantConfig *quant = ARENA_ARRAY(arena, QuantConfig, 1); /* models keep it */
    *quant = ptq_quant_config(arena, &net.config->quant);
    net.quant = quant;
    must(experiment_model(arena, net.config, net.quant, &net.data, &net.m));
    model_init(net.m, 7);
    Rng rng = rng_make(5, RNG_TEST, 0);
    for (int i = 0; i < net.m->layers; i++)
        if (net.m->layer[i].norm != NULL) draw_norm(&net.m->layer[i], &rng);
    return net;
}

Model *ptq_net_again(const PtqNet *net, const Model *from)
{
    Model *m;
    must(experiment_model(arena, net->config, net->quant, &net->data, &m));
    real_network_put(real_network_take(arena, from), m);
    return m;
}

PtqContext ptq_net_context(const PtqNet *net)
{
    Task *task = ARENA_ARRAY(arena, Task, 1);
    *task = model_task(net->config, net->m);
    return (PtqContext){.train = &net->data.train, .images = net->config->ptq.images, .seed = 3, .task = task};
}

static PtqImages images_of(const PtqNet *net)
{
    const PtqContext c = ptq_net_context(net);
    PtqImages images;
    must(ptq_images_pick(arena, c.train, c.seed, 0, c.images, &images));
    return images;
}

void ptq_net_fit_norms(PtqNet *net)
{
    Model *m = net->m;
    const PtqImages images = images_of(net);
    LayerMeans *means = ARENA_ARRAY(arena, LayerMeans, m->layers);
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        if (l->norm == NULL) continue;
        must(layer_means(arena, m, &images, false, i, means));
        for (int c = 0; c < l->out.c; c++) {
            const double gamma = (double)l->gamma->x[c], sd = sqrt((double)(l->norm->var[c] + l->norm->epsilon));
            const double more = means[i].deviation[c] / fabs(gamma);
            l->norm->mean[c] += (float)((means[i].mean[c] - (double)l->beta->x[c]) * sd / gamma);
            l->norm->var[c] = (float)(sd * sd * more * more) - l->norm->epsilon;
        }
    }
}

void ptq_net_label(PtqNet *net)
{
    PtqImages images = {.n = net->data.train.n, .bytes = dataset_image_bytes(&net->data.train)};
    uint8_t *buffer = arena_alloc(arena, (size_t)images.n * images.bytes);
    must(dataset_read(&net->data.train, 0, images.n, buffer, &images.pixels));
    const float *z;
    must(ptq_real_outputs(arena, net->m, &images, &z));
    int32_t *label = ARENA_ARRAY(arena, int32_t, images.n);
    const int k = net->m->classes;
    for (int i = 0; i < images.n; i++)
        for (int c = 1; c < k; c++)
            if (z[i * k + c] > z[i * k + label[i]]) label[i] = c;
    net->data.train.targets = targets_classes(label);
}

const float *ptq_net_outputs(const PtqNet *net, Model *m, int *n)
{
    const float *z;
    const PtqImages images = images_of(net);
    must(ptq_real_outputs(arena, m, &images, &z));
    *n = images.n * m->classes;
    return z;
}

PtqMeasure ptq_net_measure(const PtqNet *net, Model *m, const float *real)
{
    const PtqContext c = ptq_net_context(net);
    const PtqImages images = images_of(net);
    PtqMeasure measure;
    must(ptq_measure(m, &c, &images, real, &measure));
    return measure;
}

void ptq_net_step(const PtqNet *net, Model *m, const char *step, const RealNetwork *real, const void *keys)
{
    PtqContext c = ptq_net_context(net);
    c.real = real, c.keys = keys;
    int i = 0;
    while (strcmp(ptq_steps[i]->name, step) != 0) ck_assert_ptr_nonnull(ptq_steps[++i]);
    must(ptq_steps[i]->run(m, &c));
    if (ptq_steps[i]->moves_weights) ptq_restart_weights(m);
}
