/* UTF-8, as RFC 3629 has it. */
#ifndef BITFOLD_BASE_UTF8_H
#define BITFOLD_BASE_UTF8_H

#include <stddef.h>

/* Bytes of the character at p, 1 to 4; 0 when it is none: overlong, a surrogate, above U+10FFFF, cut off by `left`. */
static inline size_t utf8_bytes(const char *p, size_t left)
{
    const unsigned char *u = (const unsigned char *)p;
    if (left == 0) return 0;
    if (u[0] < 0x80) return 1;
    const size_t n = u[0] < 0xc2 ? 0 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : u[0] < 0xf5 ? 4 : 0;
    if (n == 0 || left < n) return 0;
    const unsigned char low = u[0] == 0xe0 ? 0xa0 : u[0] == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = u[0] == 0xed ? 0x9f : u[0] == 0xf4 ? 0x8f : 0xbf;
    if (u[1] < low || u[1] > high) return 0;
    for (size_t i = 2; i < n; i++)
        if ((u[i] & 0xc0) != 0x80) return 0;
    return n;
}

#endif
