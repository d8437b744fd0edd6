/* Preloaded (LD_PRELOAD) into a program, takes memory away from it:
 *
 *     FAIL_ALLOC=0          nothing fails
 *     FAIL_ALLOC=17         the 17th request since main began fails, once
 *     FAIL_ALLOC=17+        and so does every later one
 *     FAIL_ALLOC_COUNT=F    the number of requests is written into the file F when the program exits
 *     FAIL_ALLOC_TRAP=1     SIGTRAP at the request that fails first, for a debugger
 *
 * A request is whatever takes memory from the system or from the C library, by any thread, by the program or by a library
 * it uses: malloc, calloc, realloc, their aligned kin, an anonymous mmap, mprotect to writable, a new thread. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#pragma GCC visibility push(default) /* the program and its libraries are to find these instead of the C library's */

/* What glibc calls its own. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *block, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);

typedef int Main(int argc, char **argv, char **environment);
typedef int StartMain(Main *begin, int argc, char **argv, void (*init)(void), void (*fini)(void), void (*unload)(void),
                      void *stack_end);
typedef int CreateThread(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);
StartMain __libc_start_main;

static Main *real_main;
static CreateThread *real_pthread_create;
static atomic_bool counting;
static atomic_ulong requests;
static unsigned long first_failure; /* 0: none */
static bool for_good, trap;
static const char *count_file;

/* Whether this request is one that fails. */
static bool fails(void)
{
    if (!atomic_load(&counting)) return false;
    const unsigned long number = atomic_fetch_add(&requests, 1) + 1;
    const bool failing = first_failure > 0 && (for_good ? number >= first_failure : number == first_failure);
    if (!failing) return false;
    if (trap && number == first_failure) raise(SIGTRAP);
    errno = ENOMEM;
    return true;
}

void *malloc(size_t bytes) { return fails() ? NULL : __libc_malloc(bytes); }
void *calloc(size_t count, size_t bytes) { return fails() ? NULL : __libc_calloc(count, bytes); }
void *realloc(void *block, size_t bytes) { return fails() ? NULL : __libc_realloc(block, bytes); }
void *memalign(size_t align, size_t bytes) { return fails() ? NULL : __libc_memalign(align, bytes); }
void *aligned_alloc(size_t align, size_t bytes) { return fails() ? NULL : __libc_memalign(align, bytes); }

int posix_memalign(void **block, size_t align, size_t bytes)
{
    void *p = fails() ? NULL : __libc_memalign(align, bytes);
    if (p == NULL) return ENOMEM;
    *block = p;
    return 0;
}

void *mmap(void *at, size_t bytes, int access, int flags, int file, off_t offset)
{
    if ((flags & MAP_ANONYMOUS) != 0 && fails()) return MAP_FAILED;
    return (void *)syscall(SYS_mmap, at, bytes, access, flags, file, offset); // NOLINT(performance-no-int-to-ptr)
}

int mprotect(void *at, size_t bytes, int access)
{
    if ((access & PROT_WRITE) != 0 && fails()) return -1;
    return (int)syscall(SYS_mprotect, at, bytes, access);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
    if (real_pthread_create == NULL || fails()) return EAGAIN;
    return real_pthread_create(thread, attributes, start, argument);
}

static int counted_main(int argc, char **argv, char **environment)
{
    unsetenv("LD_PRELOAD"); /* not for what the program starts */
    atomic_store(&counting, true);
    return real_main(argc, argv, environment);
}

int __libc_start_main(Main *begin, int argc, char **argv, void (*init)(void), void (*fini)(void), void (*unload)(void),
                      void *stack_end)
{
    const char *which = getenv("FAIL_ALLOC");
    char *end = NULL;
    first_failure = which == NULL ? 0 : strtoul(which, &end, 10);
    for_good = end != NULL && *end == '+';
    trap = getenv("FAIL_ALLOC_TRAP") != NULL;
    count_file = getenv("FAIL_ALLOC_COUNT");
    real_main = begin;
    StartMain *start;
    *(void **)&start = dlsym(RTLD_NEXT, "__libc_start_main");
    *(void **)&real_pthread_create = dlsym(RTLD_NEXT, "pthread_create");
    return start(counted_main, argc, argv, init, fini, unload, stack_end);
}

__attribute__((destructor)) static void write_count(void)
{
    atomic_store(&counting, false);
    if (count_file == NULL) return;
    char text[32];
    const int length = snprintf(text, sizeof text, "%lu\n", atomic_load(&requests));
    const int file = open(count_file, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (file < 0 || write(file, text, (size_t)length) != length) abort();
    close(file);
}
