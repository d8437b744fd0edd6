/* Texts that a campaign is told by its environment, or gets from a program. */
#ifndef BITFOLD_TESTS_SUPPORT_WORDS_H
#define BITFOLD_TESTS_SUPPORT_WORDS_H

#include <stdbool.h>

/* Whether the words, with a space between two, hold exactly this one; NULL and "" hold every word. */
bool words_hold(const char *words, const char *word);

/* Where the last line of the text begins; a newline at the end of the text belongs to it. */
const char *last_line(const char *text);

#endif
