/* Codes by weights with tdpbssd, signed by signed bytes on tiles.  Where the CPU has no AMX, tests run the same body on
 * emulated tiles. */
#ifdef __x86_64__
#include "kernels/gemm_s8_tiles.inc"

/* Loading weights into tiles pays from a few rows on. */
enum { FEW_ROWS = 4 };

void gemm_runs_s8__amx(const GemmS8 *g) { (g->m < FEW_ROWS ? gemm_runs_s8__vnni : gemm_tiles)(g); }
#endif
