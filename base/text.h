/* Text from outside, as a person may see it.
 *
 * Names of classes, layers and files come from folders and from files of others: printed as they are, they can move the
 * cursor, colour or clear the screen, or end a line and begin one that looks like ours.  Shown, they cannot: control
 * characters, bytes that are no UTF-8 and characters that turn the direction of writing become escapes as C writes
 * them, "\n", "\x1b", "\u202e"; everything else stays.  A backslash stays too, so shown text is for reading, and
 * showing it again changes nothing.
 */
#ifndef BITFOLD_BASE_TEXT_H
#define BITFOLD_BASE_TEXT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"

/* `text`, shown, in the arena. */
char *text_shown(Arena *arena, const char *text);

/* FNV-1a, 64 bits (Fowler, Noll, Vo), of its bytes. */
uint64_t text_hash(const char *text);

/* vsnprintf whose %s arguments are shown; what `format` itself says stays.  A precision bounds the bytes read, as in
 * C; a width counts characters, not bytes.  Conversions d i u x o c e f g s and %, with flags, width, precision and the
 * lengths l ll z.  A text that is too long ends with its last whole piece; gives its bytes without the NUL. */
size_t text_vformat(char *to, size_t room, const char *format, va_list list) __attribute__((format(printf, 3, 0)));

/* vfprintf of the same kind. */
void text_vprint(FILE *stream, const char *format, va_list list) __attribute__((format(printf, 2, 0)));

#endif
