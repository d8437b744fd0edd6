#include "base/parallel.h"

#include <omp.h>
#include <stdint.h>
#include <string.h>

#include "base/batch_share.h"
#include "base/plain_locale.h"

/* IEEE arithmetic, rounding to nearest, denormals kept: a program that uses the library may have set its own thread to
 * flush denormals (gcc -ffast-math does), and a result would then depend on the thread that computed it. */
#if defined(__SSE__)
#include <xmmintrin.h>
typedef unsigned FpControl;
enum { IEEE_ARITHMETIC = 0x1F80 };
static FpControl fp_control(void) { return _mm_getcsr(); }
static void set_fp_control(FpControl c) { _mm_setcsr(c); }
#elif defined(__aarch64__)
typedef uint64_t FpControl;
enum { IEEE_ARITHMETIC = 0 };
static FpControl fp_control(void)
{
    FpControl c;
    __asm__ volatile("mrs %0, fpcr" : "=r"(c));
    return c;
}
static void set_fp_control(FpControl c) { __asm__ volatile("msr fpcr, %0" : : "r"(c)); }
#else
typedef int FpControl;
enum { IEEE_ARITHMETIC = 0 };
static FpControl fp_control(void) { return 0; }
static void set_fp_control(FpControl c) { (void)c; }
#endif

static int threads; /* 0: not chosen yet */

int parallel_threads(void)
{
    if (threads == 0) threads = omp_get_max_threads();
    return threads;
}

void parallel_set_threads(int count) { threads = count < 1 ? 1 : count > 256 ? 256 : count; }

void parallel_for(int chunks, ParallelFn *fn, void *context)
{
    const int workers = parallel_threads() < chunks ? parallel_threads() : chunks;
    if (workers <= 1) {
        const FpControl before = fp_control();
        set_fp_control(IEEE_ARITHMETIC);
        for (int i = 0; i < chunks; i++) fn(context, i, 0);
        set_fp_control(before);
        return;
    }
#pragma omp parallel num_threads(workers)
    {
        const FpControl before = fp_control();
        const locale_t locale = plain_locale_enter();
        set_fp_control(IEEE_ARITHMETIC);
#pragma omp for schedule(dynamic, 1) nowait
        for (int i = 0; i < chunks; i++) fn(context, i, omp_get_thread_num());
        set_fp_control(before);
        plain_locale_leave(locale);
    }
}

typedef struct {
    long count, size;
    int chunks;
    ParallelRowsFn *fn;
    void *context;
} RowsJob;

static void rows_chunk(void *context, int chunk, int thread)
{
    const RowsJob *job = context;
    long first, last;
    parallel_range(job->count, job->chunks, chunk, &first, &last);
    first *= job->size, last *= job->size;
    job->fn(job->context, &(ParallelRows){first, last, last - first, chunk, thread});
}

void parallel_rows(long count, int chunks, ParallelRowsFn *fn, void *context)
{
    RowsJob job = {count, 1, chunks, fn, context};
    parallel_for(chunks, rows_chunk, &job);
}

void parallel_images(long images, long size, ParallelRowsFn *fn, void *context)
{
    RowsJob job = {images, size, batch_chunks(images), fn, context};
    parallel_for(job.chunks, rows_chunk, &job);
}

enum { ZERO_ALONE_BYTES = 1 << 16 }; /* below, waking a thread costs more */

typedef struct {
    unsigned char *data;
    size_t bytes;
} Zero;

static void zero_chunk(void *context, const ParallelRows *rows)
{
    const Zero *z = context;
    memset(z->data + rows->first, 0, (size_t)rows->n);
}

void parallel_zero(void *data, size_t bytes)
{
    Zero z = {data, bytes};
    if (bytes <= ZERO_ALONE_BYTES)
        memset(data, 0, bytes);
    else
        parallel_rows((long)bytes, PARALLEL_CHUNKS, zero_chunk, &z);
}
