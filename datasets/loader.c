#include "datasets/loader.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/plain_locale.h"
#include "base/rng.h"
#include "datasets/augment.h"

typedef struct {
    int epoch, index; /* what it holds or is to hold; epoch -1: nothing yet */
    bool ready;
    Batch batch;
    uint8_t *pixels;
    int32_t *labels;
} Slot;

/* Two slots: the caller holds one while the thread fills the other.  `lock` guards `ready`, `wanted` and `stop`; a
 * slot's content belongs to the thread from wanted to ready, and `order` to whoever fills. */
struct Loader {
    LoaderConfig config;
    int batches;
    bool direct, threaded;
    uint32_t *order;
    int order_epoch;
    Slot slot[2];
    int held; /* the caller's */
    Slot *wanted;
    bool stop;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    Batch view; /* direct: into the data set itself */
};

static void fill(Loader *loader, Slot *slot)
{
    const LoaderConfig *cfg = &loader->config;
    const Dataset *data = cfg->data;
    const int hwc[3] = {data->h, data->w, data->c}, first = slot->index * cfg->batch;
    const size_t image = (size_t)data->h * (size_t)data->w * (size_t)data->c;
    if (cfg->shuffle && loader->order_epoch != slot->epoch) {
        Rng rng = rng_make(cfg->seed, RNG_SHUFFLE, (uint64_t)slot->epoch);
        rng_permutation(&rng, (uint32_t)data->n, loader->order);
        loader->order_epoch = slot->epoch;
    }
    const int n = data->n - first < cfg->batch ? data->n - first : cfg->batch;
    for (int i = 0; i < n; i++) {
        const uint32_t which = cfg->shuffle ? loader->order[first + i] : (uint32_t)(first + i);
        const uint8_t *from = data->images + which * image;
        uint8_t *to = slot->pixels + (size_t)i * image;
        if (cfg->augment != NULL) {
            Rng rng = rng_make(cfg->seed, RNG_AUGMENT, (uint64_t)slot->epoch * (uint64_t)data->n + which);
            augment_image(cfg->augment, hwc, &rng, from, to);
        } else {
            memcpy(to, from, image);
        }
        slot->labels[i] = data->labels[which];
    }
    slot->batch = (Batch){.n = n, .pixels = slot->pixels, .labels = slot->labels};
}

static void *work(void *context)
{
    Loader *loader = context;
    (void)plain_locale_enter();
    pthread_mutex_lock(&loader->lock);
    while (!loader->stop) {
        Slot *slot = loader->wanted;
        if (slot == NULL) {
            pthread_cond_wait(&loader->changed, &loader->lock);
            continue;
        }
        pthread_mutex_unlock(&loader->lock);
        fill(loader, slot);
        pthread_mutex_lock(&loader->lock);
        slot->ready = true;
        loader->wanted = NULL;
        pthread_cond_broadcast(&loader->changed);
    }
    pthread_mutex_unlock(&loader->lock);
    return NULL;
}

/* Signals are for the thread that called: the new one starts with all of them blocked. */
static bool start_thread(Loader *loader)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_mutex_init(&loader->lock, NULL);
    pthread_cond_init(&loader->changed, NULL);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool started = pthread_create(&loader->thread, NULL, work, loader) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!started) {
        pthread_cond_destroy(&loader->changed);
        pthread_mutex_destroy(&loader->lock);
    }
    return started;
}

Status loader_create(Arena *arena, const LoaderConfig *config, Loader **out)
{
    const Dataset *data = config->data;
    if (data->n < 1) return status_fail(STATUS_INVALID, "loader: %d images; must be 1 or more", data->n);
    if (config->batch < 1) return status_fail(STATUS_INVALID, "loader: batch %d; must be 1 or more", config->batch);
    Loader *loader = ARENA_ARRAY(arena, Loader, 1);
    loader->config = *config;
    if (config->batch > data->n) loader->config.batch = data->n;
    if (augment_is_off(config->augment)) loader->config.augment = NULL;
    loader->batches = (data->n - 1) / loader->config.batch + 1;
    loader->direct = !config->shuffle && loader->config.augment == NULL;
    loader->order_epoch = -1;
    *out = loader;
    if (loader->direct) return STATUS_OK;

    const size_t image = (size_t)data->h * (size_t)data->w * (size_t)data->c, batch = (size_t)loader->config.batch;
    loader->order = arena_try_alloc(arena, config->shuffle ? (size_t)data->n * sizeof *loader->order : 0);
    bool complete = loader->order != NULL;
    for (int i = 0; i < 2; i++) {
        Slot *slot = &loader->slot[i];
        slot->epoch = -1;
        slot->pixels = arena_try_alloc(arena, batch * image);
        slot->labels = arena_try_alloc(arena, batch * sizeof *slot->labels);
        complete = complete && slot->pixels != NULL && slot->labels != NULL;
    }
    if (!complete) return status_prefix(STATUS_NOMEM, "loader: batch %d", config->batch);
    /* A system that has no thread left gets the same batches, only later. */
    loader->threaded = config->prefetch && start_thread(loader);
    return STATUS_OK;
}

void loader_destroy(Loader *loader)
{
    if (loader == NULL || !loader->threaded) return;
    pthread_mutex_lock(&loader->lock);
    loader->stop = true;
    pthread_cond_broadcast(&loader->changed);
    pthread_mutex_unlock(&loader->lock);
    pthread_join(loader->thread, NULL);
    pthread_cond_destroy(&loader->changed);
    pthread_mutex_destroy(&loader->lock);
    loader->threaded = false;
}

int loader_batches(const Loader *loader) { return loader->batches; }

static void want(Loader *loader, Slot *slot, int epoch, int index)
{
    slot->epoch = epoch;
    slot->index = index;
    slot->ready = false;
    loader->wanted = slot;
    pthread_cond_broadcast(&loader->changed);
}

static void wait_idle(Loader *loader)
{
    while (loader->wanted != NULL) pthread_cond_wait(&loader->changed, &loader->lock);
}

static const Batch *get_prefetched(Loader *loader, int epoch, int index)
{
    Slot *next = &loader->slot[1 - loader->held];
    pthread_mutex_lock(&loader->lock);
    wait_idle(loader);
    if (!next->ready || next->epoch != epoch || next->index != index) {
        want(loader, next, epoch, index);
        wait_idle(loader);
    }
    Slot *other = &loader->slot[loader->held];
    loader->held = 1 - loader->held;
    const bool last = index + 1 == loader->batches;
    want(loader, other, last ? epoch + 1 : epoch, last ? 0 : index + 1);
    pthread_mutex_unlock(&loader->lock);
    return &next->batch;
}

static const Batch *get_direct(Loader *loader, int index)
{
    const Dataset *data = loader->config.data;
    const int batch = loader->config.batch, first = index * batch, left = data->n - first;
    loader->view = (Batch){.n = left < batch ? left : batch,
                           .pixels = data->images + (size_t)first * (size_t)data->h * (size_t)data->w * (size_t)data->c,
                           .labels = data->labels + first};
    return &loader->view;
}

const Batch *loader_get(Loader *loader, int epoch, int index)
{
    ASSERT(epoch >= 0 && index >= 0 && index < loader->batches);
    if (loader->direct) return get_direct(loader, index);
    if (loader->threaded) return get_prefetched(loader, epoch, index);
    Slot *slot = &loader->slot[0];
    slot->epoch = epoch;
    slot->index = index;
    fill(loader, slot);
    return &slot->batch;
}
