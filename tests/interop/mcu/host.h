/* What the test program asks of its host: files, a line of text, and on a board the cost of a run.  host_stdio.c is the
 * one of a PC, host_semihosting.c that of a Cortex-M, whose debugger (here: QEMU) serves the requests. */
#ifndef INTEROP_HOST_H
#define INTEROP_HOST_H

#include <stddef.h>
#include <stdint.h>

/* The whole buffer or nothing: 0, or -1 when the file is shorter or cannot be read or written. */
int host_open_input(const char *path);
int host_open_output(const char *path);
int host_read(void *to, size_t bytes);
int host_write(const void *from, size_t bytes);
int host_close(void);

void host_print(const char *text);

/* Instructions since the last call, in steps of 40; 0 where they cannot be counted. */
uint32_t host_instructions(void);
/* Bytes of stack that were ever in use; 0 where it is not known. */
uint32_t host_stack_bytes(void);

int test_main(int arguments, char *const *argument);

#endif
