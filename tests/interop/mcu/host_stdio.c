/* host.h on a PC. */
#include <stdio.h>

#include "host.h"

static FILE *from, *to;

int host_open_input(const char *path) { return (from = fopen(path, "rb")) == NULL ? -1 : 0; }
int host_open_output(const char *path) { return (to = fopen(path, "wb")) == NULL ? -1 : 0; }
int host_read(void *data, size_t bytes) { return fread(data, 1, bytes, from) == bytes ? 0 : -1; }
int host_write(const void *data, size_t bytes) { return fwrite(data, 1, bytes, to) == bytes ? 0 : -1; }

int host_close(void)
{
    (void)fclose(from);
    return fclose(to) == 0 ? 0 : -1;
}

void host_print(const char *text) { (void)fputs(text, stdout); }
uint32_t host_instructions(void) { return 0u; }
uint32_t host_stack_bytes(void) { return 0u; }

int main(int argc, char **argv) { return test_main(argc, argv); }
