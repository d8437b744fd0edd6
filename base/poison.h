/* Marks memory that must not be touched, so that AddressSanitizer reports code that touches it.  Without
 * AddressSanitizer these do nothing. */
#ifndef BITFOLD_BASE_POISON_H
#define BITFOLD_BASE_POISON_H

#if defined(__SANITIZE_ADDRESS__)
#define POISON_WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISON_WATCHED 1
#endif
#endif

#ifdef POISON_WATCHED
#include <sanitizer/asan_interface.h>
#define POISON(p, n) __asan_poison_memory_region((p), (n))
#define UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#define MAY_TOUCH_POISON __attribute__((no_sanitize_address))
enum { POISON_GAP = 64 };
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#define MAY_TOUCH_POISON
enum { POISON_GAP = 0 };
#endif

#endif
