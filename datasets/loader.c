#include "datasets/loader.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/parallel.h"
#include "base/plain_locale.h"
#include "base/rng.h"
#include "datasets/augment.h"
#include "datasets/failure.h"
#include "datasets/mix.h"
#include "datasets/points.h"

enum { THREADS_MOST = 16 };

/* A batch in the making: images next .. n - 1 are nobody's yet, `done` are complete. */
typedef struct {
    int epoch, index; /* what it holds or is to hold; epoch -1: nothing yet */
    int n, next, done;
    Failure failure;
    Batch batch;
    uint8_t *pixels;
    Targets targets;
    int32_t *other; /* of mixed images, as in Targets; NULL: none are */
    float *share;
} Slot;

typedef struct {
    Loader *loader;
    pthread_t id;
    Arena *scratch;   /* of a thread that reads */
    uint8_t *partner; /* one image, where images are mixed */
} Worker;

/* Two slots: the caller holds one while the threads fill the other.  `lock` guards `wanted`, `stop` and a slot's
 * counters and failure; its images belong to who took them, and `order` changes while nothing is wanted only. */
struct Loader {
    LoaderConfig config;
    int batches;
    int take; /* images a thread takes at once */
    uint32_t *order;
    int order_epoch;
    Slot slot[2];
    int held; /* the caller's */
    Slot *wanted;
    bool stop;
    int workers;       /* 0: the caller fills the slots */
    uint8_t *partners; /* an image for the caller and for each worker, where images are mixed; else NULL */
    Worker worker[THREADS_MOST];
    Worker own; /* the caller as one */
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

static void begin_slot(Loader *loader, Slot *slot, int epoch, int index)
{
    const LoaderConfig *cfg = &loader->config;
    const int left = cfg->data->n - index * cfg->batch;
    if (cfg->shuffle && loader->order_epoch != epoch) {
        Rng rng = rng_make(cfg->seed, RNG_SHUFFLE, (uint64_t)epoch);
        rng_permutation(&rng, (uint32_t)cfg->data->n, loader->order);
        loader->order_epoch = epoch;
    }
    slot->epoch = epoch;
    slot->index = index;
    slot->n = left < cfg->batch ? left : cfg->batch;
    slot->next = slot->done = 0;
    slot->failure.status = STATUS_OK;
    slot->batch = (Batch){.n = slot->n, .pixels = slot->pixels, .targets = slot->targets};
}

/* The image at `place` of the split as augmentation makes it in this epoch; *moved as augment_image has it. */
static Status read_augmented(const Worker *w, int epoch, int place, uint8_t *to, AugmentMove *moved)
{
    const LoaderConfig *cfg = &w->loader->config;
    const Dataset *data = cfg->data;
    const int index = dataset_index(data, place);
    const uint8_t *from = source_kept(data->source, index);
    if (from == NULL) {
        uint8_t *read = arena_try_alloc(w->scratch, sample_bytes(&data->source->input));
        if (read == NULL) return STATUS_NOMEM;
        TRY(source_read(data->source, index, w->scratch, read));
        from = read;
    }
    Rng rng = rng_make(cfg->seed, RNG_AUGMENT, (uint64_t)epoch * (uint64_t)data->n + (uint64_t)place);
    return augment_image(cfg->augment, data->source->input.dim, &rng, from, to, moved);
}

/* Mixes image i of the batch with another one of the split, as the epoch has that too; any may be chosen, so that the
 * result does not depend on which batch they are in. */
static Status mix(const Worker *w, Slot *slot, int i, int place, uint8_t *image)
{
    const LoaderConfig *cfg = &w->loader->config;
    const Dataset *data = cfg->data;
    const int *hwc = data->source->input.dim;
    Rng rng = rng_make(cfg->seed, RNG_MIX, (uint64_t)slot->epoch * (uint64_t)data->n + (uint64_t)place);
    const int partner = (int)rng_below(&rng, (uint32_t)data->n);
    const Mix m = mix_draw(cfg->augment, hwc, &rng);
    slot->other[i] = data->targets.label[partner];
    slot->share[i] = (float)m.share;
    TRY(read_augmented(w, slot->epoch, partner, w->partner, NULL));
    mix_images(&m, hwc, w->partner, image);
    return STATUS_OK;
}

/* Image i of the batch. */
static Status fill(const Worker *w, Slot *slot, int i)
{
    const LoaderConfig *cfg = &w->loader->config;
    const Dataset *data = cfg->data;
    const int at = slot->index * cfg->batch + i, place = cfg->shuffle ? (int)w->loader->order[at] : at;
    uint8_t *to = slot->pixels + (size_t)i * sample_bytes(&data->source->input);
    target_copy(data->targets, place, slot->targets, i);
    if (cfg->augment == NULL) return source_read(data->source, dataset_index(data, place), w->scratch, to);
    AugmentMove moved;
    TRY(read_augmented(w, slot->epoch, place, to, &moved));
    if (data->targets.points > 0)
        points_move(&moved, data->source->input.dim, data->mirror, data->targets.points,
                    (float *)targets_from(slot->targets, i).value);
    return slot->other == NULL ? STATUS_OK : mix(w, slot, i, place, to);
}

/* Takes some images of the slot and fills them; the lock is held before and after, and not meanwhile. */
static void work_some(Worker *w, Slot *slot)
{
    Loader *loader = w->loader;
    const int first = slot->next, end = first + loader->take < slot->n ? first + loader->take : slot->n;
    slot->next = end;
    pthread_mutex_unlock(&loader->lock);
    int failed = -1;
    Status status = STATUS_OK;
    for (int i = first; i < end && status == STATUS_OK; i++) {
        status = fill(w, slot, i);
        if (status != STATUS_OK) failed = i;
        if (w->scratch != NULL) arena_reset(w->scratch);
    }
    pthread_mutex_lock(&loader->lock);
    if (status != STATUS_OK) failure_note(&slot->failure, failed, status);
    slot->done += end - first;
}

static void *work(void *context)
{
    Worker *w = context;
    Loader *loader = w->loader;
    (void)plain_locale_enter();
    pthread_mutex_lock(&loader->lock);
    while (!loader->stop) {
        Slot *slot = loader->wanted;
        if (slot == NULL || slot->next == slot->n) {
            pthread_cond_wait(&loader->changed, &loader->lock);
            continue;
        }
        work_some(w, slot);
        if (slot->done < slot->n) continue;
        loader->wanted = NULL;
        pthread_cond_broadcast(&loader->changed);
    }
    pthread_mutex_unlock(&loader->lock);
    return NULL;
}

static Worker worker_make(Loader *loader, int number, Arena *scratch)
{
    const size_t image = sample_bytes(&loader->config.data->source->input);
    uint8_t *partner = loader->partners == NULL ? NULL : loader->partners + (size_t)number * image;
    return (Worker){.loader = loader, .scratch = scratch, .partner = partner};
}

/* Signals are for the thread that called: new ones start with all of them blocked.  A system that has no thread left
 * gets the same batches, only later. */
static void start_threads(Loader *loader, int threads)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (loader->workers < threads) {
        Worker *w = &loader->worker[loader->workers];
        *w = worker_make(loader, loader->workers + 1, arena_create());
        if (pthread_create(&w->id, NULL, work, w) != 0) {
            arena_destroy(w->scratch);
            break;
        }
        loader->workers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static bool is_in_memory(const Dataset *data) { return data->source->bytes != NULL; }

static int threads_for(const LoaderConfig *cfg)
{
    if (!cfg->prefetch) return 0;
    if (is_in_memory(cfg->data)) return 1;
    const int threads = parallel_threads() < THREADS_MOST ? parallel_threads() : THREADS_MOST;
    return threads < cfg->batch ? threads : cfg->batch;
}

static bool make_slot(Arena *arena, const LoaderConfig *cfg, Slot *slot)
{
    const Targets *targets = &cfg->data->targets;
    const size_t batch = (size_t)cfg->batch;
    slot->epoch = -1;
    slot->pixels = arena_try_alloc(arena, batch * sample_bytes(&cfg->data->source->input));
    void *room = arena_try_alloc(arena, batch * target_bytes(*targets));
    slot->targets = targets_in(*targets, room);
    if (slot->pixels == NULL || room == NULL || !mix_is_on(cfg->augment)) return slot->pixels != NULL && room != NULL;
    slot->targets.other = slot->other = arena_try_alloc(arena, batch * sizeof *slot->other);
    slot->targets.share = slot->share = arena_try_alloc(arena, batch * sizeof *slot->share);
    return slot->other != NULL && slot->share != NULL;
}

/* False: there is no memory for it. */
static bool make_buffers(Arena *arena, Loader *loader, int threads)
{
    const LoaderConfig *cfg = &loader->config;
    loader->order = arena_try_alloc(arena, cfg->shuffle ? (size_t)cfg->data->n * sizeof *loader->order : 0);
    if (loader->order == NULL) return false;
    for (int i = 0; i < 2; i++)
        if (!make_slot(arena, cfg, &loader->slot[i])) return false;
    if (!mix_is_on(cfg->augment)) return true;
    loader->partners = arena_try_alloc(arena, (size_t)(threads + 1) * sample_bytes(&cfg->data->source->input));
    return loader->partners != NULL;
}

Status loader_create(Arena *arena, const LoaderConfig *config, Loader **out)
{
    const Dataset *data = config->data;
    if (data->n < 1) return status_fail(STATUS_INVALID, "loader: %d images; must be 1 or more", data->n);
    if (config->batch < 1) return status_fail(STATUS_INVALID, "loader: batch %d; must be 1 or more", config->batch);
    if (mix_is_on(config->augment) && data->targets.width > 0)
        return status_fail(STATUS_INVALID, "loader: mixed images of value targets; must be of classes");
    Loader *loader = ARENA_ARRAY(arena, Loader, 1);
    loader->config = *config;
    if (config->batch > data->n) loader->config.batch = data->n;
    if (augment_is_off(config->augment)) loader->config.augment = NULL;
    loader->batches = (data->n - 1) / loader->config.batch + 1;
    loader->order_epoch = -1;
    *out = NULL;

    const int threads = threads_for(&loader->config);
    if (!make_buffers(arena, loader, threads)) return status_prefix(STATUS_NOMEM, "loader: batch %d", config->batch);
    pthread_mutex_init(&loader->lock, NULL);
    pthread_cond_init(&loader->changed, NULL);
    loader->own = worker_make(loader, 0, is_in_memory(data) ? NULL : arena_create());
    loader->take = threads > 1 ? loader->config.batch / (4 * threads) + 1 : loader->config.batch;
    start_threads(loader, threads);
    *out = loader;
    return STATUS_OK;
}

void loader_destroy(Loader *loader)
{
    if (loader == NULL) return;
    pthread_mutex_lock(&loader->lock);
    loader->stop = true;
    pthread_cond_broadcast(&loader->changed);
    pthread_mutex_unlock(&loader->lock);
    for (int i = 0; i < loader->workers; i++) {
        pthread_join(loader->worker[i].id, NULL);
        arena_destroy(loader->worker[i].scratch);
    }
    pthread_cond_destroy(&loader->changed);
    pthread_mutex_destroy(&loader->lock);
    arena_destroy(loader->own.scratch);
    loader->own.scratch = NULL;
    loader->workers = 0;
}

int loader_batches(const Loader *loader) { return loader->batches; }

static void want(Loader *loader, Slot *slot, int epoch, int index)
{
    begin_slot(loader, slot, epoch, index);
    loader->wanted = slot;
    pthread_cond_broadcast(&loader->changed);
}

static void wait_idle(Loader *loader)
{
    while (loader->wanted != NULL) pthread_cond_wait(&loader->changed, &loader->lock);
}

static Slot *get_prefetched(Loader *loader, int epoch, int index)
{
    Slot *next = &loader->slot[1 - loader->held];
    wait_idle(loader);
    if (next->epoch != epoch || next->index != index) {
        want(loader, next, epoch, index);
        wait_idle(loader);
    }
    Slot *other = &loader->slot[loader->held];
    loader->held = 1 - loader->held;
    const bool last = index + 1 == loader->batches;
    want(loader, other, last ? epoch + 1 : epoch, last ? 0 : index + 1);
    return next;
}

static Slot *get_now(Loader *loader, int epoch, int index)
{
    Slot *slot = &loader->slot[0];
    begin_slot(loader, slot, epoch, index);
    while (slot->done < slot->n) work_some(&loader->own, slot);
    return slot;
}

Status loader_get(Loader *loader, int epoch, int index, const Batch **batch)
{
    ASSERT(epoch >= 0 && index >= 0 && index < loader->batches);
    pthread_mutex_lock(&loader->lock);
    Slot *slot = loader->workers > 0 ? get_prefetched(loader, epoch, index) : get_now(loader, epoch, index);
    pthread_mutex_unlock(&loader->lock);
    *batch = &slot->batch;
    return failure_status(&slot->failure);
}
