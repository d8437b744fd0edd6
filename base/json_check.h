/* The strict check of JSON text that json_parse makes before cJSON sees it. */
#ifndef BITFOLD_BASE_JSON_CHECK_H
#define BITFOLD_BASE_JSON_CHECK_H

#include "base/status.h"

#include <stddef.h>

enum {
    JSON_MAX_DEPTH = 64,
    JSON_MAX_NUMBER = 63, /* characters of one number: cJSON reads no more of them */
};

/* STATUS_FORMAT with where:line:column (both from 1, the column in characters) unless the text is one JSON value. */
Status json_check(const char *text, size_t bytes, const char *where);

#endif
