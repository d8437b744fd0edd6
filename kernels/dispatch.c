#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/amx_ready.h"
#include "kernels/isa.h"

#define LOWER "must be a lower one of ref, avx2, avx512, vnni"
enum { REF, AVX2, AVX512, VNNI, AMX };

/* Each level includes the lower ones: what it does not bring itself it takes from them. */
static const Kernels variants[] = {
#define KERNEL(name) .name = name##__ref,
    {
        .isa = "ref",
#include "kernels/kernels.def"
    },
#undef KERNEL
#ifdef __x86_64__
#define KERNEL(name) .name = name##__avx2,
    {
        .isa = "avx2",
#include "kernels/kernels.def"
    },
#undef KERNEL
#define KERNEL(name) .name = name##__avx512,
    {
        .isa = "avx512",
#include "kernels/kernels.def"
    },
    {
        .isa = "vnni",
        .gemm_runs_s8 = gemm_runs_s8__vnni,
        .dwconv_rows_s8 = dwconv_rows_s8__vnni,
#define gemm_runs_s16__avx512 gemm_runs_s16__vnni
#include "kernels/kernels.def"
    },
    {
        .isa = "amx",
        .gemm_runs_s8 = gemm_runs_s8__amx,
        .dwconv_rows_s8 = dwconv_rows_s8__vnni,
/* NOLINTNEXTLINE(readability-duplicate-include) ; a list, read once for each table */
#include "kernels/kernels.def"
    },
#undef gemm_runs_s16__avx512
#undef KERNEL
#endif
};
enum { VARIANTS = sizeof variants / sizeof variants[0] };

/* The highest level whose instructions the CPU has. */
static int cpu_level(void)
{
#ifdef __x86_64__
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return REF;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return AVX2;
    if (!__builtin_cpu_supports("avx512vnni")) return AVX512;
    return amx_present() ? AMX : VNNI;
#else
    return REF;
#endif
}

static pthread_once_t amx_asked = PTHREAD_ONCE_INIT;
static const char *amx_refused;

static void ask_for_amx(void)
{
    if (!amx_permitted())
        amx_refused = "the operating system does not permit it; " LOWER;
    else if (!amx_exact(variants[VARIANTS - 1].gemm_runs_s8))
        amx_refused = "its tiles compute something else on this machine; " LOWER;
}

/* Why a level cannot be used; NULL: it can. */
static const char *refusal(int level)
{
    if (level > cpu_level()) return "this CPU lacks it; " LOWER;
    if (level < AMX) return NULL;
    pthread_once(&amx_asked, ask_for_amx);
    return amx_refused;
}

static int best_here(void)
{
    int level = cpu_level();
    while (refusal(level) != NULL) level--;
    return level;
}

/* VARIANTS: no such name. */
static int level_of(const char *isa)
{
    int level = 0;
    while (level < VARIANTS && strcmp(isa, variants[level].isa) != 0) level++;
    return level;
}

static const Kernels *chosen = &variants[REF];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Before anybody asked: BITFOLD_ISA if it can be had; kernels_select is the place that complains. */
static void choose_first(void)
{
    const char *isa = getenv("BITFOLD_ISA");
    int level = isa == NULL ? VARIANTS : level_of(isa);
    if (level == VARIANTS || refusal(level) != NULL) level = best_here();
    __atomic_store_n(&chosen, &variants[level], __ATOMIC_RELEASE);
}

const Kernels *kernels(void)
{
    pthread_once(&once, choose_first);
    return __atomic_load_n(&chosen, __ATOMIC_ACQUIRE);
}

static void leave_it(void) {}

bool kernels_select(const char *isa_or_null, const char **error)
{
    const char *isa = isa_or_null != NULL ? isa_or_null : getenv("BITFOLD_ISA");
    int level;
    if (isa == NULL || isa[0] == '\0') {
        level = best_here();
    } else if ((level = level_of(isa)) == VARIANTS) {
        *error = VARIANTS > 1 ? "unknown; must be one of ref, avx2, avx512, vnni, amx"
                              : "unknown on this machine; must be ref";
        return false;
    } else if (refusal(level) != NULL) {
        *error = refusal(level);
        return false;
    }
    pthread_once(&once, leave_it); /* kernels() keeps what is chosen here */
    __atomic_store_n(&chosen, &variants[level], __ATOMIC_RELEASE);
    return true;
}

const char *kernels_arithmetic(void)
{
#if defined(__x86_64__)
    static const char ref[] = "ref on x86-64";
#elif defined(__aarch64__)
    static const char ref[] = "ref on aarch64";
#else
    static const char ref[] = "ref on another machine";
#endif
    return strcmp(kernels()->isa, "ref") == 0 ? ref : "fma";
}

const char *kernels_variant(const char *entry)
{
    typedef void (*Function)(void);
    static const struct {
        const char *name;
        size_t at;
    } entries[] = {
        {"gemm_runs_s8", offsetof(Kernels, gemm_runs_s8)}, /* not every variant brings these */
        {"dwconv_rows_s8", offsetof(Kernels, dwconv_rows_s8)},
#define KERNEL(name) {#name, offsetof(Kernels, name)},
#include "kernels/kernels.def"
#undef KERNEL
    };
    const char *const table = (const char *)kernels();
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        if (strcmp(entry, entries[i].name) != 0) continue;
        Function here, there;
        memcpy(&here, table + entries[i].at, sizeof here);
        for (int v = 0; v < VARIANTS && here != NULL; v++) {
            memcpy(&there, (const char *)&variants[v] + entries[i].at, sizeof there);
            if (here == there) return variants[v].isa;
        }
    }
    return NULL;
}
