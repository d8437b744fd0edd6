/* What an HTML page must be, asserted. */
#ifndef BITFOLD_TESTS_SUPPORT_HTML_H
#define BITFOLD_TESTS_SUPPORT_HTML_H

#include "base/arena.h"

/* How often `word` is in `text`. */
int count(const char *text, const char *word);

/* Every start tag has its end tag in the right order, every attribute is quoted, every & is a known reference. */
void check_tags(const char *text);

/* ids are unique and each reference has its id. */
void check_ids(Arena *arena, const char *text);

#endif
