#include "tests/faults/tracer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    int number, path; /* path: which argument is one; -1: none */
    unsigned classes;
    const char *name;
} Call;

#if defined(__x86_64__)
#define SPACE (CALL_SPACE | CALL_CHANGE)
static const Call calls[] = {
    {SYS_openat, 1, CALL_READ | CALL_INTERRUPT, "open"}, /* with O_CREAT: what classes_of says */
    {SYS_open, 0, CALL_READ | CALL_INTERRUPT, "open"},
    {SYS_creat, 0, SPACE | CALL_INTERRUPT, "creat"},
    {SYS_read, -1, CALL_READ | CALL_INTERRUPT, "read"},
    {SYS_pread64, -1, CALL_READ | CALL_INTERRUPT, "pread"},
    {SYS_readv, -1, CALL_READ | CALL_INTERRUPT, "readv"},
    {SYS_write, -1, SPACE | CALL_WRITE | CALL_INTERRUPT, "write"},
    {SYS_pwrite64, -1, SPACE | CALL_WRITE | CALL_INTERRUPT, "pwrite"},
    {SYS_writev, -1, SPACE | CALL_INTERRUPT, "writev"},
    {SYS_close, -1, CALL_CHANGE, "close"},
    {SYS_rename, 0, SPACE, "rename"},
    {SYS_renameat, 1, SPACE, "renameat"},
    {SYS_renameat2, 1, SPACE, "renameat2"},
    {SYS_link, 0, SPACE, "link"},
    {SYS_linkat, 1, SPACE, "linkat"},
    {SYS_symlink, 1, SPACE, "symlink"},
    {SYS_unlink, 0, CALL_CHANGE, "unlink"},
    {SYS_unlinkat, 1, CALL_CHANGE, "unlinkat"},
    {SYS_mkdir, 0, SPACE, "mkdir"},
    {SYS_mkdirat, 1, SPACE, "mkdirat"},
    {SYS_rmdir, 0, CALL_CHANGE, "rmdir"},
    {SYS_fsync, -1, SPACE | CALL_INTERRUPT, "fsync"},
    {SYS_fdatasync, -1, SPACE | CALL_INTERRUPT, "fdatasync"},
    {SYS_ftruncate, -1, CALL_CHANGE | CALL_INTERRUPT, "ftruncate"},
    {SYS_fallocate, -1, SPACE | CALL_INTERRUPT, "fallocate"},
    {SYS_flock, -1, CALL_CHANGE | CALL_INTERRUPT, "flock"},
    {SYS_fchmod, -1, CALL_CHANGE, "fchmod"},
    {SYS_chmod, 0, CALL_CHANGE, "chmod"},
    {SYS_memfd_create, -1, SPACE, "memfd_create"},
    {SYS_getdents64, -1, CALL_READ, "getdents"},
    {SYS_lseek, -1, CALL_READ, "lseek"},
    {SYS_stat, 0, CALL_READ, "stat"},
    {SYS_lstat, 0, CALL_READ, "lstat"},
    {SYS_fstat, -1, CALL_READ, "fstat"},
    {SYS_newfstatat, 1, CALL_READ, "stat"},
    {SYS_readlink, 0, CALL_READ, "readlink"},
};
enum { CALLS = (int)(sizeof calls / sizeof calls[0]), THREADS = 64, COUNTED = 1 << 14, MOST_SECONDS = 120 };

static const Call *find_call(long number)
{
    for (int i = 0; i < CALLS; i++)
        if (calls[i].number == number) return &calls[i];
    return NULL;
}

/* ---- the program ------------------------------------------------------------------------------------------------- */

static int filter_calls(void)
{
    struct sock_filter filter[CALLS + 3];
    filter[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < CALLS; i++)
        filter[1 + i] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i].number, (uint8_t)(CALLS - i), 0);
    filter[CALLS + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[CALLS + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    const struct sock_fprog program = {CALLS + 3, filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0;
}

static _Noreturn void become(const char *folder, char *const *argv, char *const *environment, const int out[2])
{
    const int none = open("/dev/null", O_RDONLY);
    if (none < 0 || dup2(none, 0) < 0 || dup2(out[0], 1) < 0 || dup2(out[1], 2) < 0 || chdir(folder) != 0) _exit(125);
    if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0 || raise(SIGSTOP) != 0 || filter_calls() != 0) _exit(125);
    alarm(MOST_SECONDS); /* a program that waits for ever ends by a signal */
    execve(argv[0], argv, environment);
    _exit(126);
}

/* ---- the tracer -------------------------------------------------------------------------------------------------- */

typedef struct {
    const Fault *fault;
    const char *folder;
    pid_t main, thread[THREADS];
    int threads;
    bool armed;
    unsigned char *classes;
    Traced *result;
} Trace;

static bool is_ours(const Trace *t, pid_t id)
{
    for (int i = 0; i < t->threads; i++)
        if (t->thread[i] == id) return true;
    return false;
}

static void read_text(pid_t id, unsigned long long at, char *text, size_t size)
{
    struct iovec to = {text, size - 1}, from = {(void *)(uintptr_t)at, size - 1};
    const ssize_t n = process_vm_readv(id, &to, 1, &from, 1, 0);
    text[n < 0 ? 0 : n] = '\0';
    if (n < 0) { /* the text ends at the end of a page */
        const size_t rest = 4096 - (size_t)(at % 4096);
        to.iov_len = from.iov_len = rest < size - 1 ? rest : size - 1;
        const ssize_t again = process_vm_readv(id, &to, 1, &from, 1, 0);
        text[again < 0 ? 0 : again] = '\0';
    }
}

static unsigned long long argument(const struct user_regs_struct *r, int i)
{
    const unsigned long long all[] = {r->rdi, r->rsi, r->rdx, r->r10};
    return all[i];
}

/* Names a file of the working directory: relative, or below it. */
static bool names_ours(const Trace *t, pid_t id, const Call *call, const struct user_regs_struct *r)
{
    if (call->path < 0) return false;
    char text[512];
    read_text(id, argument(r, call->path), text, sizeof text);
    if (text[0] == '\0') return false;
    return text[0] != '/' || strncmp(text, t->folder, strlen(t->folder)) == 0;
}

static unsigned classes_of(const Call *call, const struct user_regs_struct *r)
{
    const bool opens = call->number == SYS_open || call->number == SYS_openat;
    if (!opens || (argument(r, call->path + 1) & O_CREAT) == 0) return call->classes;
    return SPACE | CALL_INTERRUPT;
}

static void set_result(pid_t id, struct user_regs_struct *r, int error)
{
    r->rax = (unsigned long long)-(long long)error;
    ptrace(PTRACE_SETREGS, id, 0, r);
}

static void note_end(Trace *t, int status)
{
    t->result->signalled = WIFSIGNALED(status);
    t->result->code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* A close that fails has closed all the same: the call is done, and then gives the error. */
static void fail_close(Trace *t, pid_t id, int error)
{
    int status = 0;
    struct user_regs_struct r;
    if (ptrace(PTRACE_SYSCALL, id, 0, 0) != 0 || waitpid(id, &status, __WALL) != id) return;
    if (WIFSTOPPED(status) && ptrace(PTRACE_GETREGS, id, 0, &r) == 0)
        set_result(id, &r, error);
    else if (!WIFSTOPPED(status) && id == t->main)
        note_end(t, status);
}

static void at_call(Trace *t, pid_t id)
{
    struct user_regs_struct r;
    if (ptrace(PTRACE_GETREGS, id, 0, &r) != 0) return;
    const Call *call = find_call((long)r.orig_rax);
    if (call == NULL) return;
    t->armed |= names_ours(t, id, call, &r);
    if (!t->armed) return;
    const Fault *f = t->fault;
    const unsigned classes = classes_of(call, &r);
    if (t->result->calls < COUNTED) t->classes[t->result->calls] = (unsigned char)classes;
    const long now = ++t->result->calls;
    if (f->kind == FAULT_NONE || now < f->at || (now > f->at && !f->forever)) return;
    if ((classes & f->classes) == 0 || (f->forever && call->path < 0 && r.rdi <= 2)) return;
    if (now == f->at) t->result->hit = call->name;
    if (f->kind == FAULT_KILL) {
        kill(t->main, SIGKILL);
    } else if (f->kind == FAULT_ERROR && call->number == SYS_close) {
        fail_close(t, id, f->error);
    } else if (f->kind == FAULT_ERROR) {
        r.orig_rax = (unsigned long long)-1;
        set_result(id, &r, f->error);
    } else if (r.rdx > 1) {
        r.rdx /= 2;
        ptrace(PTRACE_SETREGS, id, 0, &r);
    }
}

/* One stop of one thread; what signal it gets when it goes on. */
static int at_stop(Trace *t, pid_t id, int status)
{
    const int event = status >> 16;
    if (event == PTRACE_EVENT_SECCOMP) {
        if (is_ours(t, id)) at_call(t, id);
    } else if (event == PTRACE_EVENT_CLONE && is_ours(t, id) && t->threads < THREADS) {
        unsigned long thread = 0;
        ptrace(PTRACE_GETEVENTMSG, id, 0, &thread);
        t->thread[t->threads++] = (pid_t)thread;
    }
    const int number = WSTOPSIG(status);
    return event != 0 || number == SIGSTOP || number == SIGTRAP ? 0 : number;
}

static void follow(Trace *t)
{
    for (int status;;) {
        const pid_t id = waitpid(-1, &status, __WALL);
        if (id < 0) return;
        if (WIFSTOPPED(status)) {
            ptrace(PTRACE_CONT, id, 0, (long)at_stop(t, id, status));
        } else if (id == t->main) {
            note_end(t, status);
        }
    }
}

static char *take_text(Arena *arena, int fd)
{
    const off_t bytes = lseek(fd, 0, SEEK_END);
    char *text = arena_zalloc(arena, (size_t)bytes + 1);
    if (pread(fd, text, (size_t)bytes, 0) != bytes) text[0] = '\0';
    return text;
}

Traced traced_run(Arena *arena, const char *folder, char *const *argv, char *const *environment, const Fault *fault)
{
    Traced result = {.code = -1};
    unsigned char *classes = arena_zalloc(arena, COUNTED);
    result.classes = classes;
    const int out[2] = {memfd_create("out", MFD_CLOEXEC), memfd_create("err", MFD_CLOEXEC)};
    const pid_t id = fork();
    if (id == 0) become(folder, argv, environment, out);
    Trace t = {.fault = fault,
               .folder = folder,
               .main = id,
               .thread = {id},
               .threads = 1,
               .classes = classes,
               .result = &result};
    int status = 0;
    waitpid(id, &status, 0);
    const long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                         PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (WIFSTOPPED(status) && ptrace(PTRACE_SETOPTIONS, id, 0, options) == 0) {
        ptrace(PTRACE_CONT, id, 0, 0L);
        follow(&t);
    }
    result.err = take_text(arena, out[1]);
    close(out[0]);
    close(out[1]);
    return result;
}

bool traced_possible(void)
{
    Arena *arena = arena_create();
    char *const argv[] = {(char *)"/bin/true", NULL}, *const environment[] = {NULL};
    const Traced t = traced_run(arena, "/", argv, environment, &(Fault){.kind = FAULT_NONE});
    arena_destroy(arena);
    return t.code == 0;
}
#else
Traced traced_run(Arena *arena, const char *folder, char *const *argv, char *const *environment, const Fault *fault)
{
    (void)folder, (void)argv, (void)environment, (void)fault;
    return (Traced){.code = -1, .err = arena_strdup(arena, "")};
}

bool traced_possible(void) { return false; }
#endif
