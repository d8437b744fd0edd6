#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/isa.h"

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
#define gemm_s16__avx512 gemm_s16__vnni
#define gemm_runs_s16__avx512 gemm_runs_s16__vnni
#include "kernels/kernels.def"
    },
#undef gemm_s16__avx512
#undef gemm_runs_s16__avx512
#undef KERNEL
#endif
};
enum { VARIANTS = sizeof variants / sizeof variants[0] };

static int best_here(void)
{
#ifdef __x86_64__
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return 1;
    return __builtin_cpu_supports("avx512vnni") ? 3 : 2;
#else
    return 0;
#endif
}

static const Kernels *chosen = &variants[0];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Before anybody asked: BITFOLD_ISA if it can be had; kernels_select is the place that complains. */
static void choose_first(void)
{
    const int best = best_here();
    const char *isa = getenv("BITFOLD_ISA");
    int pick = best;
    for (int i = 0; isa != NULL && i <= best; i++)
        if (strcmp(isa, variants[i].isa) == 0) pick = i;
    __atomic_store_n(&chosen, &variants[pick], __ATOMIC_RELEASE);
}

const Kernels *kernels(void)
{
    pthread_once(&once, choose_first);
    return __atomic_load_n(&chosen, __ATOMIC_ACQUIRE);
}

bool kernels_select(const char *isa_or_null, const char **error)
{
    pthread_once(&once, choose_first);
    const int best = best_here();
    const char *isa = isa_or_null != NULL ? isa_or_null : getenv("BITFOLD_ISA");
    int pick = best;
    if (isa != NULL && isa[0] != '\0') {
        for (pick = 0; pick < VARIANTS && strcmp(isa, variants[pick].isa) != 0; pick++) continue;
        if (pick == VARIANTS) {
            *error = VARIANTS > 1 ? "unknown; must be one of ref, avx2, avx512, vnni"
                                  : "unknown on this machine; must be ref";
            return false;
        }
        if (pick > best) {
            *error = "this CPU lacks it; must be a lower one of ref, avx2, avx512, vnni";
            return false;
        }
    }
    __atomic_store_n(&chosen, &variants[pick], __ATOMIC_RELEASE);
    return true;
}
