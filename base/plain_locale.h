/* Numbers as C, JSON and the file formats have them, whatever the locale of the calling program: the C library prints
 * and parses 0.5 as "0,5" in many.  A locale is a thread's own, so each function of the library and each thread it
 * starts enters the plain one and leaves it as it found it. */
#ifndef BITFOLD_BASE_PLAIN_LOCALE_H
#define BITFOLD_BASE_PLAIN_LOCALE_H

#include <locale.h>

/* The locale "C" for the calling thread, and the one it had, for plain_locale_leave. */
static inline locale_t plain_locale_enter(void) { return uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0)); }
static inline void plain_locale_leave(locale_t before) { uselocale(before); }

#endif
