/* host.h on a Cortex-M without any C library: start-up, semihosting, a timer, and the four functions that a compiler
 * may call on its own. */
#include "host.h"

extern uint32_t data_load, data_begin, data_end, bss_begin, bss_end, stack_begin, stack_end; /* mps2.ld */
void reset(void);

/* ---- semihosting: an operation in r0, its argument block in r1 --------------------------------------------------- */

enum { SYS_OPEN = 1, SYS_CLOSE = 2, SYS_WRITE0 = 4, SYS_WRITE = 5, SYS_READ = 6, SYS_GET_CMDLINE = 21, SYS_EXIT = 32 };
enum { MODE_READ = 1, MODE_WRITE = 5, APPLICATION_EXIT = 0x20026 };

static int call(int operation, const void *block)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = block;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

/* SYS_EXIT_EXTENDED: the status becomes QEMU's own. */
static void leave(int status)
{
    const uint32_t block[2] = {APPLICATION_EXIT, (uint32_t)status};
    for (;;) (void)call(SYS_EXIT, block);
}

static int from = -1, to = -1;

static int open_file(const char *path, uint32_t mode)
{
    uint32_t length = 0;
    while (path[length] != '\0') length++;
    const uint32_t block[3] = {(uint32_t)(uintptr_t)path, mode, length};
    return call(SYS_OPEN, block);
}

int host_open_input(const char *path) { return (from = open_file(path, MODE_READ)) < 0 ? -1 : 0; }
int host_open_output(const char *path) { return (to = open_file(path, MODE_WRITE)) < 0 ? -1 : 0; }

/* Both answer how many bytes were not transferred. */
int host_read(void *data, size_t bytes)
{
    const uint32_t block[3] = {(uint32_t)from, (uint32_t)(uintptr_t)data, bytes};
    return call(SYS_READ, block) == 0 ? 0 : -1;
}

int host_write(const void *data, size_t bytes)
{
    const uint32_t block[3] = {(uint32_t)to, (uint32_t)(uintptr_t)data, bytes};
    return call(SYS_WRITE, block) == 0 ? 0 : -1;
}

int host_close(void)
{
    const uint32_t input[1] = {(uint32_t)from}, output[1] = {(uint32_t)to};
    (void)call(SYS_CLOSE, input);
    return call(SYS_CLOSE, output) == 0 ? 0 : -1;
}

void host_print(const char *text) { (void)call(SYS_WRITE0, text); }

/* ---- what a run costs -------------------------------------------------------------------------------------------- */

/* Timer 0 of the board counts 25 MHz down.  Under `-icount shift=0` an instruction takes a virtual nanosecond: one
 * count is 40 instructions. */
static volatile uint32_t *const timer = (volatile uint32_t *)0x40000000u;
enum { TIMER_CONTROL = 0, TIMER_VALUE = 1, TIMER_RELOAD = 2, INSTRUCTIONS_PER_COUNT = 40 };

uint32_t host_instructions(void)
{
    const uint32_t gone = 0xffffffffu - timer[TIMER_VALUE];
    timer[TIMER_CONTROL] = 0u;
    timer[TIMER_RELOAD] = 0xffffffffu;
    timer[TIMER_VALUE] = 0xffffffffu;
    timer[TIMER_CONTROL] = 1u;
    return gone * INSTRUCTIONS_PER_COUNT;
}

/* The stack was filled with this word before main: what still holds it below was never in use. */
static const uint32_t UNUSED = 0xa5a5a5a5u;

uint32_t host_stack_bytes(void)
{
    const uint32_t *p = &stack_begin;
    while (p < &stack_end && *p == UNUSED) p++;
    return (uint32_t)((uintptr_t)&stack_end - (uintptr_t)p);
}

/* ---- start ------------------------------------------------------------------------------------------------------- */

enum { MOST_ARGUMENTS = 8, COMMAND_BYTES = 1024 };

static int split(char *line, char **argument)
{
    int n = 0;
    while (n < MOST_ARGUMENTS) {
        while (*line == ' ') *line++ = '\0';
        if (*line == '\0') break;
        argument[n++] = line;
        while (*line != '\0' && *line != ' ') line++;
    }
    return n;
}

static int run(void)
{
    static char line[COMMAND_BYTES];
    static char *argument[MOST_ARGUMENTS];
    uint32_t block[2] = {(uint32_t)(uintptr_t)line, sizeof line};
    if (call(SYS_GET_CMDLINE, block) != 0) return 1;
    return test_main(split(line, argument), argument);
}

void reset(void)
{
    const uint32_t *source = &data_load;
    for (uint32_t *p = &data_begin; p < &data_end; p++) *p = *source++;
    for (uint32_t *p = &bss_begin; p < &bss_end; p++) *p = 0u;
    uint32_t *top;
    __asm__ volatile("mov %0, sp" : "=r"(top));
    for (uint32_t *p = &stack_begin; p < top - 16; p++) *p = UNUSED;
#if defined(__ARM_FP)
    *(volatile uint32_t *)0xe000ed88u |= 0xfu << 20; /* CPACR: the floating-point unit on */
    __asm__ volatile("dsb\n isb");
#endif
    leave(run());
}

static void fault(void)
{
    host_print("a fault\n");
    leave(99);
}

typedef union {
    const void *stack;
    void (*handler)(void);
} Vector;
#define FAULT                                                                                                          \
    {                                                                                                                  \
        .handler = fault                                                                                               \
    }
#define NONE                                                                                                           \
    {                                                                                                                  \
        .handler = NULL                                                                                                \
    }
__attribute__((section(".vectors"), used)) static const Vector vectors[16] = {{.stack = &stack_end},
                                                                              {.handler = reset},
                                                                              FAULT,
                                                                              FAULT,
                                                                              FAULT,
                                                                              FAULT,
                                                                              FAULT,
                                                                              NONE,
                                                                              NONE,
                                                                              NONE,
                                                                              NONE,
                                                                              FAULT,
                                                                              FAULT,
                                                                              NONE,
                                                                              FAULT,
                                                                              FAULT};

void *memcpy(void *restrict d, const void *restrict s, size_t n);
void *memmove(void *d, const void *s, size_t n);
void *memset(void *d, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

void *memcpy(void *restrict d, const void *restrict s, size_t n)
{
    unsigned char *to_byte = d;
    const unsigned char *from_byte = s;
    while (n-- != 0) *to_byte++ = *from_byte++;
    return d;
}

void *memmove(void *d, const void *s, size_t n)
{
    unsigned char *to_byte = d;
    const unsigned char *from_byte = s;
    if (to_byte < from_byte) return memcpy(d, s, n);
    while (n-- != 0) to_byte[n] = from_byte[n];
    return d;
}

void *memset(void *d, int c, size_t n)
{
    unsigned char *p = d;
    while (n-- != 0) *p++ = (unsigned char)c;
    return d;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;
    for (; n != 0; n--, x++, y++)
        if (*x != *y) return *x - *y;
    return 0;
}
